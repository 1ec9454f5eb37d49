import { startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';

/** Results a second through the whole of ingest: TLS, gzip, checks, DuckDB, PGlite, acknowledgement. */
const batches = 40;
const runsABatch = 250; // two results each

const startedMs = performance.now();
const lab = await startCollectorLab({ diagnoseDelayMs: 600_000 });
const startMs = performance.now() - startedMs;
// A device may have two batches on their way.
const devices = [await lab.enrollDevice('one'), await lab.enrollDevice('two')] as const;
const queues = devices.map((device, own) => ({
  device,
  made: Array.from({ length: batches / devices.length }, (_, index) =>
    slowResults({
      deviceId: device.id,
      appId: `app-${index % 10}`,
      endMs: Date.now() - (index * devices.length + own) * runsABatch * 5_000,
      usualCount: runsABatch,
      slowCount: 0,
    }),
  ),
}));
const beganMs = performance.now();
const latenciesMs: number[] = [];
const send = async ({ device, made }: (typeof queues)[number]) => {
  for (let records = made.shift(); records; records = made.shift()) {
    const sentMs = performance.now();
    const { status } = await lab.postBatch(device, records);
    if (status !== 200) throw new Error(`answered ${status}`);
    latenciesMs.push(performance.now() - sentMs);
  }
};
await Promise.all([...queues, ...queues].map(send));
const seconds = (performance.now() - beganMs) / 1_000;
latenciesMs.sort((a, b) => a - b);
console.log({
  firstStartMs: Math.round(startMs),
  resultsPerSecond: Math.round((batches * runsABatch * 2) / seconds),
  batchMedianMs: Math.round(latenciesMs[batches / 2] ?? 0),
  batchMaxMs: Math.round(latenciesMs.at(-1) ?? 0),
  residentMb: Math.round(process.memoryUsage().rss / 1_048_576),
});
await lab.stop();
