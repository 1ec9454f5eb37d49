import { describe, expect, test } from 'vitest';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import { tunnelTaxOf } from '#collector/triage/tunnel-tax.ts';
import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { calm, createNoise, httpRun, minuteMs, type RunOptions, startMs } from './recording.ts';
import { lastOf, many, tell, verdictsOf } from './story.ts';

const failed = (type: FailureType): RunOptions => ({ failure: { type, message: 'as seen' } });

describe('what says nothing about the application', () => {
  const cases: [string, RunOptions, string][] = [
    ['no link', failed('agent.network_down'), 'the device had no network'],
    ['a captive portal', failed('agent.captive_portal'), 'a captive portal answered'],
    [
      'a name server that lies',
      failed('agent.dns_hijacked'),
      'the network’s DNS answers for names that do not exist',
    ],
    ['no permission', failed('agent.not_permitted'), 'the device did not permit the connection'],
    ['no memory', failed('agent.out_of_resources'), 'no memory or file handles left'],
    ['another network', failed('path.network_changed'), 'the device changed networks'],
    ['an agent that is overloaded', { distortion: 'agent-overloaded' }, 'the agent was overloaded'],
    ['sleep', { distortion: 'asleep' }, 'the device slept during the run'],
    ['a clock that was set', { distortion: 'clock-jumped' }, 'the clock was set during the run'],
  ];

  test.each(cases)('%s makes the verdict inconclusive, with the reason', (_, run, reason) => {
    // Slow as well, had it counted.
    const world = { serverMs: 900 };
    const verdicts = tell({ minutes: [...many(8), ...many(4, { run, world })] });
    const [, eighth, first, second, third, fourth] = [undefined, ...verdicts.slice(-5)];
    // Of one or two odd runs what was known before is still known.
    for (const verdict of [eighth, first, second]) expect(verdict?.state).toBe('ok');
    for (const verdict of [third, fourth]) {
      expect(verdict).toMatchObject({ state: 'inconclusive', score: null, segment: null });
      expect(verdict?.sentence).toContain(reason);
      expect(verdict?.action).not.toBe('');
    }
  });

  test('what the tunnel does not carry is judged by its straight runs', () => {
    const noise = createNoise(1);
    const records = Array.from({ length: 8 }, (_, minute) => [
      httpRun(startMs + minute * minuteMs, calm, noise, failed('tunnel.bypassed')),
      httpRun(startMs + minute * minuteMs + 2_000, calm, noise, { via: 'direct' }),
    ]).flat();
    const verdict = lastOf(verdictsOf(records));
    expect(verdict).toMatchObject({ state: 'ok' });
  });

  test.each(cases)('%s from the first run on is said as well', (_, run, reason) => {
    const verdict = lastOf(tell({ minutes: many(1, { run }) }));
    expect(verdict).toMatchObject({ state: 'inconclusive', score: null });
    expect(verdict.sentence).toContain(reason);
  });

  test.each(cases)('%s hides no outage, and leaves no trace in what is normal', (_, run) => {
    const outage = { run: failed('tcp.timed_out') };
    const hidden = lastOf(tell({ minutes: [...many(6), ...many(3, { run }), ...many(2, outage)] }));
    expect(hidden.state).toBe('failing');
    const world = { serverMs: 900 };
    const after = lastOf(
      tell({ minutes: [...many(6), ...many(10, { run, world }), ...many(1), ...many(1)] }),
    );
    const without = lastOf(tell({ minutes: many(8) }));
    expect(after.state).toBe('ok');
    expect(Math.abs((after.baselineMs ?? 0) - (without.baselineMs ?? 0))).toBeLessThan(5);
  });

  test('an outage before it is not gone on with while nothing is known', () => {
    const run = failed('agent.captive_portal');
    const outage = many(3, { run: failed('tcp.timed_out') });
    const verdicts = tell({ minutes: [...many(6), ...outage, ...many(3, { run })] });
    expect(verdicts.at(-4)?.state).toBe('failing');
    expect(lastOf(verdicts).state).toBe('inconclusive');
  });

  test('every failure whose source is nobody is left out, whatever it is', () => {
    const types = (Object.keys(failureFacts) as FailureType[]).filter(
      (type) => failureFacts[type].source === 'none',
    );
    expect(types.length).toBeGreaterThan(3);
    for (const type of types) {
      const verdict = lastOf(tell({ minutes: [...many(6), ...many(3, { run: failed(type) })] }));
      expect(verdict.state, type).toBe('inconclusive');
    }
  });
});

describe('runs that somebody asked for', () => {
  const requestId = '0b5d5e8e-7a51-4c5c-9a44-3f1f6f0f7e99';
  const noise = createNoise(7);
  const run = (atMs: number, serverMs: number, options: RunOptions = {}): TelemetryRecord =>
    httpRun(atMs, { ...calm, serverMs }, noise, { via: 'direct', ...options });

  const planned = (count: number, serverMs: number, fromMinute = 0) =>
    Array.from({ length: count }, (_, i) => run(startMs + (fromMinute + i) * minuteMs, serverMs));
  const burst = (count: number, serverMs: number, fromMinute: number) =>
    Array.from({ length: count }, (_, i) =>
      run(startMs + fromMinute * minuteMs + 20_000 + i * 1_000, serverMs, { requestId }),
    );

  test('do not become what is normal', () => {
    // Each a little slower than normal, and as many as a past remembers.
    const records = [...planned(8, 25), ...burst(30, 48, 7), ...planned(2, 80, 8)];
    const verdict = lastOf(verdictsOf(records));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server', baselineFrom: 'own-past' });
    expect(verdict.addedMs).toBeGreaterThan(45);
  });

  test('count for the verdict: two slow ones in a row are enough', () => {
    const records = [...planned(8, 25), ...burst(2, 600, 7)];
    const verdicts = verdictsOf(records);
    expect(verdicts.at(-3)?.state).toBe('ok');
    expect(lastOf(verdicts)).toMatchObject({ state: 'slow', segment: 'server' });
  });

  test('are no pairs for what the tunnel costs', () => {
    const pair = (atMs: number, n: number, more: RunOptions) =>
      (['tunnel', 'direct'] as const).map((via, i) => {
        const pairId = `0b5d5e8e-7a51-4c5c-9a44-${String(n).padStart(12, '0')}`;
        const record = httpRun(atMs + i * 500, calm, noise, { via, ...more });
        return toPoints({ ...record, pairId }, startMs)[0] as Point<'http'>;
      });
    const ordinary = Array.from({ length: 7 }, (_, n) =>
      pair(startMs + n * minuteMs, n, {}),
    ).flat();
    const asked = Array.from({ length: 50 }, (_, n) =>
      pair(startMs + n * 1_000, 100 + n, { requestId }),
    ).flat();
    expect(tunnelTaxOf([...ordinary, ...asked])?.pairCount).toBe(7);
  });

  test('nor repeats make a probe that runs seldom look as if it were planned no more', () => {
    const seldom = {
      probeId: 'payroll-seldom',
      via: 'direct' as const,
      ...failed('tcp.timed_out'),
    };
    const at = (minute: number, more: RunOptions = {}) =>
      httpRun(startMs + minute * minuteMs, calm, noise, { ...seldom, ...more });
    const repeats = '0b5d5e8e-7a51-4c5c-9a44-000000000001';
    const again = httpRun(startMs + 40 * minuteMs + 2_000, calm, noise, { ...seldom, repeats });
    const often = planned(55, 25).filter(
      (record) => record.kind === 'result' && record.startedAt > startMs,
    );
    const records = [at(0), at(20), at(40), again, ...often].sort(
      (a, b) => ('startedAt' in a ? a.startedAt : 0) - ('startedAt' in b ? b.startedAt : 0),
    );
    expect(lastOf(verdictsOf(records)).state).toBe('failing');
  });
});
