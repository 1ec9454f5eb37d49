import { describe, expect, test } from 'vitest';
import { type BinOutcome, createEngine, type Engine } from '#collector/diagnose/fleet/engine.ts';
import { layout } from '#collector/diagnose/fleet/layout.ts';
import type { Facts, Reading } from '#collector/diagnose/fleet/reading.ts';
import { Random } from '#test/simulator/random.ts';
import { deviceReading, httpReading, pathReading, startMs, tunnelReading } from './feed.ts';

const binMs = 300_000;
const noFacts: Facts = { devices: {}, edges: {}, applications: {} };

const hexOf = (device: number): string =>
  `00000000-0000-4000-8000-${device.toString(16).padStart(12, '0')}`;
const bins = 20;
const faultFrom = 14;

/** Twelve devices at four sites; towards the end the line of one site and a server are slow. */
const story = ((): { toMs: number; readings: Reading[] }[] => {
  const random = new Random(1, 'story');
  const noiseMs = (): number => 2 * random.unit();
  return Array.from({ length: bins }, (_, bin) => {
    const fromMs = startMs + bin * binMs;
    const readings = Array.from({ length: 12 }, (_, device) => {
      const deviceId = hexOf(device);
      const site = device >> 2;
      const lineMs = bin >= faultFrom && site === 1 ? 120 : 0;
      const serverMs = bin >= faultFrom ? 300 : 0;
      const hops: [string, number][] = [
        [`192.168.${site}.1`, 3 + noiseMs()],
        [`10.0.${site}.1`, 8 + lineMs + noiseMs()],
        ['10.1.0.1', 12 + lineMs + noiseMs()],
        ['203.0.113.1', 19 + lineMs + noiseMs()],
      ];
      return [
        deviceReading(fromMs + 1_000, { deviceId, siteId: `site-${site}`, lagMs: 1 + noiseMs() }),
        ...[0, 1, 2].map((i) =>
          tunnelReading(fromMs + i * 60_000, { deviceId, controlRttMs: 19 + lineMs + noiseMs() }),
        ),
        pathReading(fromMs + 2_000, hops, { deviceId }),
        pathReading(fromMs + 9_000, hops.toSpliced(2, 1), { deviceId }),
        ...['crm', 'files'].map((appId, i) => {
          const serviceMs = appId === 'crm' ? serverMs : 0;
          const proxyConnectMs = 32 + lineMs + noiseMs();
          const tlsMs = 34 + lineMs + noiseMs();
          const waitMs = 80 + lineMs + serviceMs + noiseMs();
          const totalMs = proxyConnectMs + tlsMs + waitMs + 14;
          const phases = { proxyConnectMs, tlsMs, waitMs, totalMs };
          return httpReading(fromMs + 3_000 + i, { deviceId, appId, ...phases });
        }),
      ];
    });
    return { toMs: fromMs + binMs, readings: readings.flat() };
  });
})();

const told = ({ verdicts, incidents, fromMs }: BinOutcome): string =>
  JSON.stringify({ fromMs, verdicts, incidents });

const play = (
  engine: Engine,
  bins: { toMs: number; readings: Reading[] }[],
  each: (readings: Reading[]) => Reading[] = (readings) => readings,
): string[] =>
  bins.flatMap(({ toMs, readings }) => {
    for (const reading of each(readings)) engine.observe(reading);
    return engine.advanceTo(toMs).map(told);
  });

describe('engine', () => {
  test('says the same in whatever order the readings of a bin came', () => {
    const random = new Random(1, 'order');
    const shuffled = (readings: Reading[]): Reading[] =>
      readings
        .map((reading) => ({ reading, rank: random.unit() }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ reading }) => reading);
    const inOrder = play(createEngine({ binMs, facts: noFacts }), story);
    const inDisorder = play(createEngine({ binMs, facts: noFacts }), story, shuffled);
    expect(inOrder.some((text) => text.includes('"state":"slow"'))).toBe(true);
    expect(inDisorder).toEqual(inOrder);
  });

  test('goes on after a restart as if there had been none, to the byte', () => {
    const whole = createEngine({ binMs, facts: noFacts });
    const all = play(whole, story);
    const first = createEngine({ binMs, facts: noFacts });
    const before = play(first, story.slice(0, 15));
    // In the middle of a bin: half of its readings are in.
    const cut = story[15] as { toMs: number; readings: Reading[] };
    const half = cut.readings.length >> 1;
    for (const reading of cut.readings.slice(0, half)) first.observe(reading);
    const second = createEngine({ binMs, facts: noFacts }, first.save());
    const rest = [{ ...cut, readings: cut.readings.slice(half) }, ...story.slice(16)];
    const after = play(second, rest);
    expect([...before, ...after]).toEqual(all);
    expect(Buffer.from(second.save()).equals(Buffer.from(whole.save()))).toBe(true);
  });

  test('a snapshot of bins of another length, or of no engine, is a new beginning', () => {
    const saved = createEngine({ binMs: 60_000, facts: noFacts }).save();
    const fresh = createEngine({ binMs, facts: noFacts }).save();
    expect(createEngine({ binMs, facts: noFacts }, saved).save()).toEqual(fresh);
    expect(createEngine({ binMs, facts: noFacts }, new Uint8Array(3)).save()).toEqual(fresh);
  });

  test('a snapshot made when kinds or columns were others is a new beginning', () => {
    const engine = createEngine({ binMs, facts: noFacts });
    play(engine, story.slice(0, 2));
    const saved = engine.save();
    const fresh = createEngine({ binMs, facts: noFacts }).save();
    const text = Buffer.from(saved).indexOf(layout);
    expect(text).toBeGreaterThan(0);
    saved[text] = 'x'.charCodeAt(0);
    expect(createEngine({ binMs, facts: noFacts }, saved).save()).toEqual(fresh);
  });

  test('a snapshot is read wherever it lies in memory, and written in one piece', () => {
    const engine = createEngine({ binMs, facts: noFacts });
    play(engine, story.slice(0, 4));
    const saved = engine.save();
    const shifted = new Uint8Array(saved.length + 3).subarray(3);
    shifted.set(saved);
    expect(createEngine({ binMs, facts: noFacts }, shifted).save()).toEqual(saved);
    const before = process.memoryUsage().arrayBuffers;
    const again = engine.save();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.3 * again.length + 200_000);
  });

  test('late readings change no verdict of the past and make a bin of no one', () => {
    const engine = createEngine({ binMs, facts: noFacts });
    engine.observe(httpReading(startMs));
    expect(engine.advanceTo(startMs + 2 * binMs).map(({ fromMs }) => fromMs)).toEqual([
      startMs,
      startMs + binMs,
    ]);
    engine.observe(httpReading(startMs + 1_000, { ok: false, failureType: 'tcp.refused' }));
    engine.observe(httpReading(startMs + 2 * binMs));
    const next = engine.advanceTo(startMs + 3 * binMs);
    expect(next.map(({ fromMs }) => fromMs)).toEqual([startMs + 2 * binMs]);
    expect(next[0]?.verdicts).toEqual([]);
  });

  test('a clock hours ahead makes no bin of its own', () => {
    const engine = createEngine({ binMs, facts: noFacts });
    engine.observe(httpReading(startMs));
    engine.advanceTo(startMs + binMs);
    engine.observe(httpReading(startMs + 5 * 3_600_000));
    const size = engine.save().length;
    engine.observe(httpReading(startMs + 40 * 86_400_000));
    expect(engine.save()).toHaveLength(size);
    const closed = engine.advanceTo(startMs + 2 * binMs);
    expect(closed.map(({ fromMs }) => fromMs)).toEqual([startMs + binMs]);
    expect(engine.advanceTo(startMs + 30 * 86_400_000).length).toBeLessThanOrEqual(12);
  });
});
