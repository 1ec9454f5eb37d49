import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countLeftovers } from '#test/probes/page-load/leftovers.ts';
import { loadPages } from '#test/probes/page-load/load-pages.ts';

/**
 * What many page loads leave behind (Linux):
 * `node --import tsx test/bench/page-load-leftovers.ts --runs 1000`. Every hundredth page fails, each
 * time in another way. Processes include zombies, descriptors are this process's.
 */
const { values } = parseArgs({ options: { runs: { type: 'string', default: '1000' } } });
const runs = Number(values.runs);
const workFolder = await mkdtemp(join(tmpdir(), 'whyslow-page-'));
const failures = new Map<string, number>();
const startedMs = performance.now();

await loadPages({ runs: 1, failEvery: 100, workFolder });
const before = countLeftovers(workFolder);
await loadPages({
  runs,
  failEvery: 100,
  workFolder,
  tell: (run, type) => {
    failures.set(type ?? 'loaded', (failures.get(type ?? 'loaded') ?? 0) + 1);
    if (run % 100 === 0) console.log(run, JSON.stringify(countLeftovers(workFolder)));
  },
});
// Killed processes are gone only once the system has cleared them away.
await new Promise((resolve) => setTimeout(resolve, 2_000));
const after = countLeftovers(workFolder);
await rm(workFolder, { recursive: true, force: true });
console.table({ before, after });
console.log(
  Object.fromEntries(failures),
  `${Math.round((performance.now() - startedMs) / 1_000)} s`,
);
