import { seedDevices } from '#test/support/seed.ts';
import { startPages } from '#test/support/seeded-pages.ts';

/**
 * How long each page takes over an hour of dense data (`tsx test/bench/triage-pages.ts`): the
 * median and the slowest of 20 requests, one after the other, on a real store and state.
 */
const pages = await startPages({ everyMs: 1_700 });
const [anna] = seedDevices;
const { length } = await pages.store.select({
  measurement: 'http',
  fromMs: 0,
  toMs: pages.clock.nowMs,
  limit: 1_000_000,
});
console.log(`${length} HTTP points among the seeded ones`);
for (const path of [
  '/',
  '/applications/sales',
  '/devices',
  `/devices/${anna.id}`,
  `/devices/${anna.id}/applications/sales`,
  '/incidents',
  '/edges',
]) {
  const times: number[] = [];
  for (let run = 0; run < 20; run += 1) {
    const startedMs = performance.now();
    const response = await fetch(`${pages.url}${path}`);
    await response.text();
    times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  console.log(`${path}: median ${times[10]?.toFixed(0)} ms, slowest ${times[19]?.toFixed(0)} ms`);
}
await pages.stop();
