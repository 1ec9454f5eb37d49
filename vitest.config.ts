import { defineConfig } from 'vitest/config';

/**
 * fast: loopback sockets and temporary files only. real: Redis, InfluxDB and PostgreSQL from
 * Debian, started by the suite on free ports. browser: an installed Chromium. lab: root and
 * network namespaces. scenario: the whole of whyslow, its programs as processes of their own.
 */
const project = (name: string, timeoutMs: number, parallel = true) => ({
  test: {
    name,
    include: [`test/**/*.${name}.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: parallel,
    // Native add-ons (DuckDB, raw sockets) live in the code under test: processes, not threads.
    pool: 'forks' as const,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...project('fast', 30_000).test,
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{real,browser,lab,scenario}.test.ts'],
        },
      },
      project('real', 60_000, false),
      project('browser', 60_000, false),
      project('lab', 60_000, false),
      project('scenario', 180_000, false),
    ],
  },
});
