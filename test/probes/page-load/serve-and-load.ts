import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import { startPageSite } from '#test/support/page-site.ts';

/**
 * Serves a site and loads it `runs` times in this process, wherever it was put; prints the
 * outcomes. `idleMs` is how long the browser is left open afterwards.
 */
const { runs, idleMs } = JSON.parse(process.argv[2] ?? '') as { runs: number; idleMs: number };
const site = await startPageSite();
const workFolder = await mkdtemp(join(tmpdir(), 'whyslow-page-'));
const prober = createPageLoadProber();
const outcomes = [];
for (let run = 0; run < runs; run += 1) {
  outcomes.push(
    await prober.run(
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
    ),
  );
}
await new Promise((resolve) => setTimeout(resolve, idleMs));
await prober.stop();
await site.stop();
await rm(workFolder, { recursive: true, force: true });
process.stdout.write(JSON.stringify(outcomes));
