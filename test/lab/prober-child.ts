import { createInterface } from 'node:readline';
import type { HttpProbe, PathProbe } from '#contract/plan.ts';
import { createHttpProber } from '#probes/http/http.ts';
import { createPathProber } from '#probes/path/path.ts';
import type { ProxyAddress } from '#probes/probe.ts';
import { setSchedulingFifo } from '#test/lab/kernel/scheduling.ts';
import { probeContext } from '#test/support/probe-context.ts';

/** Runs the probes it is given, a line each, where the caller put this process; see prober.ts. */
type Order = { id: number; probe: HttpProbe | PathProbe; proxy?: ProxyAddress; extraCa: string[] };

if (process.argv[2] === 'first') setSchedulingFifo(1);
const http = createHttpProber();
const path = createPathProber();

const run = async ({ id, probe, proxy, extraCa }: Order): Promise<void> => {
  const context = probeContext({ proxy, extraCa });
  const outcome = await (probe.type === 'http'
    ? http.run(probe, context)
    : path.run(probe, context));
  process.stdout.write(`${JSON.stringify({ id, outcome })}\n`);
};

for await (const line of createInterface({ input: process.stdin })) {
  void run(JSON.parse(line) as Order);
}
await http.stop();
await path.stop();
process.exit(0);
