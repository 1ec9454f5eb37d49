import { expect, test } from 'vitest';
import { oneOfThree } from '#test/lab/shim/attempts.ts';
import { startUdpLoad } from '#test/lab/shim/iperf.ts';
import { ping, startPair } from '#test/lab/shim/pair.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** What the issue asks of a round trip: within half a millisecond, for 95 of 100 packets. */
const toleranceMs = 0.5;

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1] as number;

test.for([
  { delayMs: 0.5, count: 300 },
  { delayMs: 5, count: 300 },
  { delayMs: 40, count: 200 },
])('a delay of $delayMs ms each way is met by 95 of 100 pings', async ({ delayMs, count }) => {
  const pair = await startPair({ delayMs });
  await oneOfThree(async () => {
    const times = (await ping(pair, { count, intervalMs: 5 })).map(({ rttMs }) => rttMs);
    expect(times).toHaveLength(count);
    // Half a round of the timing thread each way early, and ping's three digits.
    expect(Math.min(...times)).toBeGreaterThan(2 * delayMs - 0.15);
    expect(percentile(times, 0.95) - 2 * delayMs).toBeLessThanOrEqual(toleranceMs);
  });
});

test('a delay of 300 ms is met each way, and each way has its own', async () => {
  const pair = await startPair({ delayMs: 300 });
  // Of such times ping prints whole milliseconds.
  const both = await ping(pair, { count: 20, intervalMs: 10 });
  expect(both).toHaveLength(20);
  expect(Math.min(...both.map(({ rttMs }) => rttMs))).toBeGreaterThanOrEqual(599);
  await pair.shim.set('link:b>a', { delayMs: 0 });
  await oneOfThree(async () => {
    const one = (await ping(pair, { count: 20, intervalMs: 10 })).map(({ rttMs }) => rttMs);
    expect(Math.min(...one)).toBeGreaterThanOrEqual(299);
    expect(percentile(one, 0.5)).toBeLessThanOrEqual(302);
  });
});

test('at 20,000 packets a second through the same queue pings still meet the delay', async () => {
  const delayMs = 20;
  const pair = await startPair({ delayMs });
  const packets = async () => (await pair.shim.counters())['link:a>b']?.packets ?? 0;
  await oneOfThree(async () => {
    const load = await startUdpLoad(pair, 24_000);
    const before = await packets();
    await waitUntil(async () => (await packets()) > before + 10_000);

    const startedAt = performance.now();
    const countAtStart = await packets();
    const times = (await ping(pair, { count: 500, intervalMs: 10 })).map(({ rttMs }) => rttMs);
    const perMs = ((await packets()) - countAtStart) / (performance.now() - startedAt);
    load.stop();

    expect(perMs).toBeGreaterThan(20);
    expect(times).toHaveLength(500);
    expect(Math.min(...times)).toBeGreaterThan(2 * delayMs - 0.15);
    expect(percentile(times, 0.95) - 2 * delayMs).toBeLessThanOrEqual(toleranceMs);
  });
});
