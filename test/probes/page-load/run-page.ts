import type { PageLoadProbe } from '#contract/plan.ts';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';

/** A program of its own that loads one page: `run-page.ts '{"probe": …, "workFolder": …}'`. */
const { probe, workFolder } = JSON.parse(process.argv[2] ?? '') as {
  probe: PageLoadProbe;
  workFolder: string;
};
const prober = createPageLoadProber();
const outcome = await prober.run(probe, {
  signal: new AbortController().signal,
  proxy: undefined,
  extraCa: [],
  workFolder,
  browserPath: undefined,
});
await prober.stop();
process.stdout.write(JSON.stringify(outcome));
