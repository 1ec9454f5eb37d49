import { describe, expect, it } from 'vitest';
import { createFold } from '#collector/diagnose/fold.ts';
import { inputAt } from '#collector/diagnose/input.ts';
import { splitIntoLedger } from '#collector/diagnose/ledger.ts';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import { check } from '#contract/check.ts';
import { Verdict } from '#contract/verdict.ts';
import { calm, createNoise, deviceId, minuteMs, startMs, type World } from './recording.ts';
import { type Minute, many, names, recordsOf, type Story, tell, verdictsOf } from './story.ts';

/** Worlds nobody chose: each part anywhere between none and a fault. */
const anyWorld = (unit: () => number): World => {
  const scaled = Object.entries(calm).map(([name, value]) => [name, value * 12 * unit() ** 3]);
  const world = Object.fromEntries(scaled) as World;
  return {
    ...world,
    cpuRatio: unit(),
    edgeCpuRatio: unit(),
    bodyBytes: Math.round(world.bodyBytes),
  };
};

const anyStory = (seed: number): Story => {
  const { unit } = createNoise(seed);
  const minute = (): Minute => ({
    world: anyWorld(unit),
    ...(unit() < 0.2 ? { skip: ['tunnel'] as const } : {}),
    ...(unit() < 0.1 ? { run: { failure: { type: 'http.error', message: '503' } } } : {}),
    ...(unit() < 0.1 ? { run: { distortion: 'asleep' } } : {}),
  });
  return {
    seed,
    via: unit() < 0.3 ? ['direct'] : unit() < 0.5 ? ['tunnel'] : ['direct', 'tunnel'],
    others: unit() < 0.5 ? { mail: {}, wiki: { serverMs: 10 } } : {},
    minutes: Array.from({ length: 14 }, minute),
  };
};

const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

describe('whatever was recorded', () => {
  it('every ledger adds up: parts and residual are the total, and no part is negative', () => {
    let ledgers = 0;
    for (const verdict of seeds.flatMap((seed) => tell(anyStory(seed)))) {
      if (verdict.ledger === null) continue;
      ledgers += 1;
      const { parts, residualMs, totalMs } = verdict.ledger;
      const sum = parts.reduce((total, part) => total + (part.ms ?? 0), residualMs);
      expect(Math.abs(sum - totalMs)).toBeLessThan(0.001);
      for (const part of parts) expect(part.ms ?? 0).toBeGreaterThanOrEqual(0);
      expect(residualMs).toBeGreaterThan(-0.05);
    }
    expect(ledgers).toBeGreaterThan(300);
  });

  it('every verdict keeps the contract', () => {
    for (const verdict of seeds.flatMap((seed) => tell(anyStory(seed)))) {
      expect(check(Verdict, verdict)).toMatchObject({ ok: true });
    }
  });

  it('a named segment has its milliseconds, an inconclusive one no score', () => {
    const states = new Set<string>();
    for (const verdict of seeds.flatMap((seed) => tell(anyStory(seed)))) {
      states.add(verdict.state);
      if (verdict.state === 'slow') {
        expect(verdict.segment).not.toBeNull();
        expect(verdict.addedMs).toBeGreaterThan(0);
        expect(verdict.score).toBeLessThan(66);
      }
      if (verdict.state === 'inconclusive') expect(verdict.score).toBeNull();
    }
    expect([...states].sort()).toEqual(['failing', 'inconclusive', 'ok', 'slow']);
  });

  it('the same records give the same verdicts, byte for byte', () => {
    for (const seed of seeds.slice(0, 10)) {
      const records = recordsOf(anyStory(seed));
      expect(JSON.stringify(verdictsOf(records))).toBe(JSON.stringify(verdictsOf(records)));
    }
  });
});

const readable = (points: readonly Point[]) => {
  const of = <M extends Point['measurement']>(name: M) =>
    points.filter((point) => point.measurement === name) as Point<M>[];
  return {
    http: of('http'),
    page_load: of('page_load'),
    path: of('path'),
    dns: of('dns'),
    tunnel: of('tunnel'),
    device: of('device'),
    edge: of('edge'),
    onward: of('onward'),
  };
};
const subject = { deviceId, appId: 'payroll', deviceName: 'LAPTOP-7', appName: 'Payroll' };

describe('the input', () => {
  const records = recordsOf({ via: ['direct', 'tunnel'], minutes: many(10) });
  const points = records.flatMap((record) => toPoints(record, startMs));

  it('does not depend on the order in which rows were read', () => {
    const forward = inputAt(readable(points), subject);
    const backward = inputAt(readable([...points].reverse()), subject);
    expect(JSON.stringify(backward)).toBe(JSON.stringify(forward));
  });

  it('orders rows of equal time by their tags', () => {
    const together = points.map((point) => ({ ...point, timeMs: startMs }) as Point);
    const forward = inputAt(readable(together), subject);
    const probes = forward?.http.map((point) => point.tags.probe);
    expect(probes).toEqual([...(probes ?? [])].sort());
    expect(probes).toHaveLength(2);
  });

  it('counts a row that was read twice once', () => {
    const twice = inputAt(readable([...points, ...points]), subject);
    expect(JSON.stringify(twice)).toBe(JSON.stringify(inputAt(readable(points), subject)));
  });

  it('holds nothing from after the end of the newest run', () => {
    const input = inputAt(readable(points), subject);
    const after = input?.device.filter((point) => point.timeMs > input.nowMs);
    expect(after).toEqual([]);
    expect(input?.nowMs).toBeGreaterThan(startMs + 9 * minuteMs);
  });

  it('is undefined for an application without a run', () => {
    expect(inputAt(readable(points), { ...subject, appId: 'other' })).toBeUndefined();
  });

  it('gives the live verdict and the replayed one from the same rows', async () => {
    const { diagnose } = await import('#collector/diagnose/diagnose.ts');
    const fold = createFold(names);
    const seen: Point[] = [];
    for (const record of recordsOf(anyStory(5))) {
      const fresh = toPoints(record, startMs);
      seen.push(...fresh);
      const replayed = fold.add(fresh);
      if (replayed === undefined) continue;
      const { appId } = replayed;
      const appName = appId === 'payroll' ? 'Payroll' : appId;
      const input = inputAt(readable(seen), { ...subject, appId, appName, edgeNames: names.edges });
      expect(input && diagnose(input)).toEqual(replayed);
    }
  });
});

describe('the split', () => {
  it('takes the tunnel sample that fits the run, before or after it', () => {
    const minutes = [...many(1), { world: { pathMs: 114 } }];
    const points = recordsOf({ minutes }).flatMap((record) => toPoints(record, startMs));
    const read = readable(points);
    // Only the samples of the calm minute before the run and of its own minute after it.
    const tunnel = read.tunnel.filter((point) => point.timeMs !== startMs + minuteMs);
    const run = read.http.at(-1) as Point<'http'>;
    const split = splitIntoLedger(run, { ...read, tunnel });
    expect(split.parts['client-edge']).toBeGreaterThan(330);
  });
});
