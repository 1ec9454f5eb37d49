import { expect, test } from 'vitest';
import { createFeed, deviceId, httpReading, pathReading, startMs, tunnelReading } from './feed.ts';

const hourMs = 3_600_000;
const other = '00000000-0000-4000-8000-000000000002';

/** Ten days of hours: one device stays, another and a way of the first are gone after one day. */
const tenDays = (withOther: boolean) => {
  const feed = createFeed(hourMs);
  let last = feed.close(startMs - hourMs);
  for (let bin = 0; bin < 240; bin += 1) {
    const fromMs = startMs + bin * hourMs;
    const wiggle = ((bin * 0.618) % 1) - 0.5;
    const isGone = bin >= 24;
    if (withOther && !isGone) {
      feed.take(httpReading(fromMs, { deviceId: other, appId: 'old' }));
      feed.take(pathReading(fromMs, [['10.9.0.1', 5]], { deviceId: other }));
    }
    const first = withOther && !isGone && bin % 2 === 0 ? '10.0.0.9' : '10.0.0.1';
    feed.take(
      pathReading(fromMs, [
        [first, 4 + wiggle],
        ['203.0.113.1', 20 + wiggle],
      ]),
    );
    feed.take(tunnelReading(fromMs, { controlRttMs: 20 + wiggle }));
    feed.take(httpReading(fromMs, { totalMs: 160 + wiggle }));
    last = feed.close(fromMs);
  }
  return { feed, device: last.device(last.indexOf(deviceId) as number) };
};

test('keys and ways unused for seven days are forgotten, and nothing else changes', () => {
  const churned = tenDays(true);
  const calm = tenDays(false);
  expect(churned.feed.state.keys.rows.count).toBeLessThanOrEqual(
    calm.feed.state.keys.rows.count + 1,
  );
  expect(churned.feed.state.paths.paths.count).toBe(1);
  expect(churned.device.tunnel).toEqual(calm.device.tunnel);
  expect(churned.device.applications[0]?.total).toEqual(calm.device.applications[0]?.total);
  expect(churned.device.applications[0]?.newestRun).toEqual(calm.device.applications[0]?.newestRun);
  expect(churned.device.trace?.signature).toBe('10.0.0.1 203.0.113.1');
  expect(churned.device.trace?.hops[1]?.delta?.ready).toBe(true);
  expect(churned.device.tunnelLoss).toEqual(calm.device.tunnelLoss);
});
