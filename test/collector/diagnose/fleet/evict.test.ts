import { expect, test } from 'vitest';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
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

test('names of what is gone are forgotten, and the next ones take their numbers', () => {
  const feed = createFeed(hourMs);
  const gone = (day: number, n: number) =>
    `00000000-0000-4000-8000-${(1_000 * (day + 1) + n).toString(16).padStart(12, '0')}`;
  const counts = () => {
    const { deviceNames, addresses, words, places, paths, keys } = feed.state;
    return [
      ...[deviceNames.count, addresses.count, words.count],
      ...[places.rows.count, paths.targets.count, keys.rows.count],
    ];
  };
  const sizes: number[][] = [];
  for (let day = 0; day < 30; day += 1) {
    for (let hour = 0; hour < 24; hour += 6) {
      const fromMs = startMs + (24 * day + hour) * hourMs;
      feed.close(fromMs - hourMs);
      // One stays; every day twenty others are there that never come again, with sites of their own.
      feed.take(httpReading(fromMs));
      for (let n = 0; n < 20; n += 1) {
        const mine = { deviceId: gone(day, n) };
        const address = `192.0.2.${day}.${n}`;
        const edge = { queueMs: 0.5, dnsMs: 1.5, connectMs: 10, address };
        feed.take(httpReading(fromMs, { ...mine, edge, probeId: `probe-${day}-${n}` }));
        feed.take(pathReading(fromMs, [[`10.${day}.${n}.1`, 5]], mine));
      }
      const view = feed.close(fromMs);
      expect(view.active.length).toBeGreaterThanOrEqual(21);
      expect(view.device(view.indexOf(gone(day, 3)) as number)).toMatchObject({
        deviceId: gone(day, 3),
        firstSeenMs: startMs + 24 * day * hourMs,
      });
    }
    sizes.push(counts());
  }
  expect(sizes.at(-1)).toEqual(sizes.at(15));
  const view = feed.close(startMs + (24 * 30 - 5) * hourMs);
  expect(view.device(view.indexOf(deviceId) as number).firstSeenMs).toBe(startMs);
  expect(view.indexOf(gone(3, 3))).toBeUndefined();
});

test('an engine that has forgotten goes on after a restart to the byte', () => {
  const facts = { devices: {}, edges: {}, applications: {} };
  const play = (engine: ReturnType<typeof createEngine>, fromDay: number, toDay: number): void => {
    for (let day = fromDay; day < toDay; day += 1) {
      const fromMs = startMs + 24 * day * hourMs;
      const mine = { deviceId: `00000000-0000-4000-8000-${String(day).padStart(12, '0')}` };
      engine.observe(httpReading(fromMs));
      engine.observe(httpReading(fromMs, mine));
      engine.observe(pathReading(fromMs, [[`10.0.${day}.1`, 5]], mine));
      engine.advanceTo(fromMs + hourMs);
    }
  };
  const whole = createEngine({ binMs: hourMs, facts });
  play(whole, 0, 25);
  const first = createEngine({ binMs: hourMs, facts });
  play(first, 0, 12);
  const second = createEngine({ binMs: hourMs, facts }, first.save());
  play(second, 12, 25);
  expect(Buffer.from(second.save()).equals(Buffer.from(whole.save()))).toBe(true);
});
