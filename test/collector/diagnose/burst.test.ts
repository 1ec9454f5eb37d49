import { describe, expect, test } from 'vitest';
import { calm, createNoise, httpRun, minuteMs, type RunOptions, startMs } from './recording.ts';
import { lastOf, verdictsOf } from './story.ts';

const burstId = '0b5d5e8e-7a51-4c5c-9a44-3f1f6f0f7e99';
const slowMs = 600;
const fastMs = 25;

const failed: RunOptions = { failure: { type: 'tcp.timed_out', message: 'as seen' } };

const createStory = () => {
  const noise = createNoise(7);
  const run = (
    atMs: number,
    serverMs: number,
    options: RunOptions = {},
  ): ReturnType<typeof httpRun> =>
    httpRun(atMs, { ...calm, serverMs }, noise, { via: 'direct', ...options });
  /** Seven normal minutes, then a planned run that is odd. */
  const upTo = (odd: RunOptions = {}) => [
    ...Array.from({ length: 7 }, (_, i) => run(startMs + i * minuteMs, fastMs)),
    run(startMs + 7 * minuteMs, slowMs, odd),
  ];
  /** The seconds after it. */
  const burst = (serverMs: readonly number[], options: RunOptions = {}) =>
    serverMs.map((ms, i) =>
      run(startMs + 7 * minuteMs + (i + 1) * 1_000, ms, {
        burstId,
        ...(ms === slowMs ? options : {}),
      }),
    );
  return { run, upTo, burst };
};

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

describe('runs of a burst', () => {
  test('make no verdict of a hiccup of some seconds', () => {
    const { upTo, burst } = createStory();
    const verdicts = verdictsOf([...upTo(), ...burst([...times(3, slowMs), ...times(20, fastMs)])]);
    expect(verdicts.slice(7).map(({ state }) => state)).toEqual(times(24, 0).map(() => 'ok'));
  });

  test('nor of some failures in a row', () => {
    const { upTo, burst } = createStory();
    const verdicts = verdictsOf([
      ...upTo(failed),
      ...burst([...times(3, slowMs), ...times(20, fastMs)], failed),
    ]);
    expect(new Set(verdicts.slice(7).map(({ state }) => state))).toEqual(new Set(['ok']));
  });

  test('name a fault that lasts within ten seconds of the first odd result', () => {
    const { upTo, burst } = createStory();
    const verdicts = verdictsOf([...upTo(), ...burst(times(30, slowMs))]);
    const first = verdicts.find(({ state }) => state === 'slow');
    expect(first).toMatchObject({ segment: 'server', baselineFrom: 'own-past' });
    expect((first?.at ?? 0) - (startMs + 7 * minuteMs)).toBeLessThan(10_000);
    expect(lastOf(verdicts)).toMatchObject({ state: 'slow', segment: 'server' });
  });

  test('go on with a fault that lets one run in four pass', () => {
    const { upTo, burst } = createStory();
    const served = Array.from({ length: 30 }, (_, i) => (i % 4 === 2 ? fastMs : slowMs));
    const verdicts = verdictsOf([...upTo(), ...burst(served)]);
    const since = verdicts.findIndex(({ state }) => state === 'slow');
    expect(since).toBeGreaterThan(0);
    expect(new Set(verdicts.slice(since).map(({ state }) => state))).toEqual(new Set(['slow']));
  });

  test('that are as usual again end it', () => {
    const { upTo, burst } = createStory();
    const verdicts = verdictsOf([...upTo(), ...burst([...times(14, slowMs), ...times(9, fastMs)])]);
    expect(verdicts.at(-9)?.state).toBe('slow');
    expect(lastOf(verdicts).state).toBe('ok');
  });

  test('do not become what is normal', () => {
    const { run, upTo, burst } = createStory();
    // Each a little slower than normal, and as many as a past remembers.
    const later = [8, 9].map((minute) => run(startMs + minute * minuteMs, 80));
    const verdict = lastOf(verdictsOf([...upTo(), ...burst(times(30, 48)), ...later]));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
    expect(verdict.addedMs).toBeGreaterThan(45);
  });

  test('that take their time are each a look of their own', () => {
    const { run, upTo } = createStory();
    const timedOut = run(startMs + 7 * minuteMs + 12_000, slowMs, { ...failed, burstId });
    const verdicts = verdictsOf([...upTo(failed), { ...timedOut, durationMs: 12_000 }]);
    expect(lastOf(verdicts).state).toBe('failing');
  });
});
