import { defineConfig } from 'vitest/config';

/**
 * One project a kind of need. `fast`: loopback sockets and temporary files. `real`: Redis, InfluxDB
 * and PostgreSQL from Debian, each started by its suite on a free port. `browser`: an installed
 * Chromium. `lab`: root and network namespaces. `scenario`: the programs as processes of their own.
 * Groups run one after the other, two or three files at a time but for `lab-timed` and `scenario`, whose
 * measurements are held against bounds a neighbour would break: the lab's files about round trips and
 * CPU, and verdicts.
 */
const kinds = ['real', 'browser', 'lab', 'lab-timed', 'scenario'] as const;

const timedInTheLab = [
  'test/lab/{shim,kernel}/**/*.lab.test.ts',
  'test/lab/build/hops.lab.test.ts',
  'test/lab/faults/program-faults.lab.test.ts',
  'test/probes/**/*.lab.test.ts',
];
const filesOf = (kind: (typeof kinds)[number]): string[] =>
  kind === 'lab-timed' ? timedInTheLab : [`test/**/*.${kind}.test.ts`];

/** Those without bounds on time mostly wait: for sockets, for processes they started. */
const filesAtOnce = (name: string): number => {
  if (name === 'lab-timed' || name === 'scenario') return 1;
  return name === 'fast' || name === 'real' ? 3 : 2;
};

const project = (
  name: string,
  groupOrder: number,
  timeoutMs: number,
  include: string[],
  exclude: string[] = [],
) => ({
  test: {
    name,
    include,
    exclude,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    maxWorkers: filesAtOnce(name),
    sequence: { groupOrder },
    // Native add-ons (DuckDB, raw sockets) are under test: processes, not threads.
    pool: 'forks' as const,
  },
});

export default defineConfig({
  test: {
    projects: [
      project(
        'fast',
        0,
        60_000,
        ['test/**/*.test.ts'],
        ['test/**/*.{real,browser,lab,scenario}.test.ts'],
      ),
      ...kinds.map((kind, index) =>
        project(
          kind,
          index + 1,
          kind === 'scenario' ? 300_000 : 120_000,
          filesOf(kind),
          kind === 'lab' ? timedInTheLab : [],
        ),
      ),
    ],
  },
});
