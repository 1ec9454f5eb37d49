/** What the spool and a device sample cost: `npx tsx test/bench/agent.ts`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createGatewayMeter } from '#agent/device/gateway.ts';
import { startDeviceSampler } from '#agent/device/sampler.ts';
import { silentLog } from '#runtime/log.ts';
import { openSpool } from '#runtime/spool.ts';
import { makeEvent } from '#test/support/telemetry.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
const perSecond = (count: number, sinceMs: number) =>
  Math.round((count / (performance.now() - sinceMs)) * 1_000);

const measureSpool = async () => {
  // Beside the project, not in a temporary folder: that may be memory, where a sync is free.
  const folder = await mkdtemp(join(process.cwd(), '.bench-'));
  const spool = await openSpool({ folder, maxBytes: 200_000_000, log: silentLog() });
  const record = makeEvent(deviceId, 'x'.repeat(250));
  for (const atOnce of [1, 10, 100, 1_000]) {
    const count = atOnce === 1 ? 300 : 20 * atOnce;
    const startedMs = performance.now();
    for (let done = 0; done < count; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, () => spool.append(record)));
    }
    console.log(`append, ${atOnce} at once: ${perSecond(count, startedMs)} records/s`);
  }
  const startedMs = performance.now();
  const count = spool.status().pendingCount;
  const limits = { recordCount: 500, byteCount: 1_000_000 };
  while ((await spool.next(limits)) !== null) await spool.release();
  console.log(`read and release: ${perSecond(count, startedMs)} records/s`);
  await spool.close();
  await rm(folder, { recursive: true });
};

const measureSample = () => {
  const echo = { echo: async () => ({ sentCount: 0, rttsMs: [] }), stop: async () => {} };
  const gatewayMeter = createGatewayMeter(echo);
  const sampler = startDeviceSampler({ deviceId, gatewayMeter, spoolBytes: () => 0 });
  const costs = Array.from({ length: 500 }, () => {
    const startedMs = performance.now();
    sampler.take();
    return performance.now() - startedMs;
  }).sort((a, b) => a - b);
  sampler.stop();
  console.log(`device sample: p50 ${costs[250]?.toFixed(3)} ms, p95 ${costs[475]?.toFixed(3)} ms`);
};

await measureSpool();
measureSample();
