import { expect, test } from 'vitest';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import { createFeed, deviceId, httpReading, startMs, tunnelReading } from './feed.ts';

const binMs = 300_000;
const idOf = (device: number): string =>
  `00000000-0000-4000-8000-${device.toString(16).padStart(12, '0')}`;

const lost = { edgeId: null, up: false, controlRttMs: null, queueMs: null, underlayRttMs: null };
const refused = {
  ...{ ok: false, failureType: 'tunnel.down', edgeId: null, edge: null },
  ...{ totalMs: null, proxyConnectMs: null, tlsMs: null, waitMs: null, receiveMs: null },
};

test('a device that lost its tunnel is still one of its edge’s, for a day', () => {
  const feed = createFeed(binMs);
  const viewAt = (bin: number) => {
    const view = feed.close(startMs + bin * binMs);
    return view.device(view.indexOf(deviceId) as number);
  };
  feed.take(tunnelReading(startMs));
  feed.take(httpReading(startMs));
  expect(viewAt(0).edgeId).toBe('edge-1');
  // In the bin in which it goes down, and in one without any edge named.
  feed.take(tunnelReading(startMs + binMs));
  feed.take(tunnelReading(startMs + binMs + 1, lost));
  expect(viewAt(1).edgeId).toBe('edge-1');
  feed.take(tunnelReading(startMs + 2 * binMs, lost));
  feed.take(httpReading(startMs + 2 * binMs, refused));
  const down = viewAt(2);
  expect(down.edgeId).toBe('edge-1');
  expect(down.applications[0]).toMatchObject({
    edgeId: 'edge-1',
    frontEnd: '192.0.2.1',
    okCount: 0,
  });
  const dayLater = 2 + 86_400_000 / binMs;
  feed.close(startMs + (dayLater - 1) * binMs);
  feed.take(tunnelReading(startMs + dayLater * binMs, lost));
  feed.take(httpReading(startMs + dayLater * binMs, refused));
  const forgotten = viewAt(dayLater);
  expect(forgotten.edgeId).toBeNull();
  expect(forgotten.applications[0]).toMatchObject({ edgeId: null, frontEnd: null });
});

test('an edge that goes down for all its devices is one incident, the edge’s', () => {
  const engine = createEngine({ binMs, facts: { devices: {}, edges: {}, applications: {} } });
  const bins = 20;
  const outcomes = Array.from({ length: bins }, (_, bin) => {
    const fromMs = startMs + bin * binMs;
    for (let device = 0; device < 20; device += 1) {
      const isDown = device % 2 === 0 && bin >= bins - 4;
      const edgeId = `edge-${device % 2}`;
      const mine = { deviceId: idOf(device), edgeId };
      for (const minute of [0, 1, 2, 3, 4]) {
        const timeMs = fromMs + minute * 60_000;
        engine.observe(tunnelReading(timeMs, isDown ? { ...mine, ...lost } : mine));
        engine.observe(httpReading(timeMs, isDown ? { ...mine, ...refused } : mine));
      }
    }
    return engine.advanceTo(fromMs + binMs);
  }).flat();
  const told = outcomes.at(-1)?.incidents.filter(({ endedAt }) => endedAt === null) ?? [];
  expect(told.map(({ element, deviceCount }) => [element.id, deviceCount])).toEqual([
    ['edge-0', 10],
  ]);
});
