import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import { groupMemoryBytes } from '#probes/page-load/profile.ts';
import { browserProcesses } from '#test/probes/page-load/browser-processes.ts';
import { startPageSite } from '#test/support/page-site.ts';

/** What page loads cost the device: `node --import tsx test/bench/page-load-cost.ts` (Linux). */
const loads = 20;
const site = await startPageSite();
const workFolder = await mkdtemp(join(tmpdir(), 'whyslow-page-'));
const prober = createPageLoadProber();

const load = async () => {
  const outcome = await prober.run(
    {
      type: 'page-load',
      id: 'page-load',
      appId: 'app',
      via: 'direct',
      intervalMs: 60_000,
      timeoutMs: 30_000,
      url: site.pageUrl,
    },
    {
      signal: new AbortController().signal,
      proxy: undefined,
      extraCa: [site.authorityPem],
      workFolder,
      browserPath: undefined,
    },
  );
  if (outcome.failure !== null) throw new Error(outcome.failure.message);
  return outcome;
};

/** User and system time, with that of ended children (renderers of the loads before). */
const cpuSeconds = (): number =>
  browserProcesses(workFolder).reduce((sum, { pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / 100;
  }, 0);

try {
  const first = await load();
  const afterFirst = cpuSeconds();
  const own = process.cpuUsage();
  const loadsMs: number[] = [];
  for (let run = 0; run < loads; run += 1) loadsMs.push((await load()).body.loadMs ?? Number.NaN);
  const ownSeconds = Object.values(process.cpuUsage(own)).reduce((sum, us) => sum + us / 1e6, 0);
  loadsMs.sort((a, b) => a - b);
  const leader = browserProcesses(workFolder).find(({ type }) => type === 'browser');
  console.log({
    firstLoadWallMs: Math.round(first.durationMs),
    firstLoadCpuSeconds: afterFirst,
    warmLoadCpuSeconds: (cpuSeconds() - afterFirst) / loads,
    warmLoadOwnCpuSeconds: ownSeconds / loads,
    loadMsP50: loadsMs[loads / 2],
    loadMsSpread: (loadsMs.at(-1) ?? Number.NaN) - (loadsMs[0] ?? Number.NaN),
    privateMemoryMb: Math.round((groupMemoryBytes(leader?.group ?? 0) ?? 0) / 1e6),
  });
} finally {
  await prober.stop();
  await site.stop();
  await rm(workFolder, { recursive: true, force: true });
}
