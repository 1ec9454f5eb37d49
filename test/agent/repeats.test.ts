import { expect, test } from 'vitest';
import type { RunToMake } from '#agent/scheduler.ts';
import type { Distortion } from '#agent/self-check.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Via } from '#contract/result.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { resultOf, setUpScheduler } from './test-scheduler.ts';

const probe = (
  id: string,
  changes: { via?: Via; pair?: string; intervalMs?: number } = {},
): ProbeDefinition =>
  httpProbe('http://127.0.0.1:1/', { id, via: 'direct', intervalMs: 60_000, ...changes });

/** Runs that are distorted as the test says, and take no time. */
const setUp = (
  probes: readonly ProbeDefinition[],
  distortionOf: (run: RunToMake) => Distortion,
) => {
  const scheduled = setUpScheduler(async (run) => resultOf(run, distortionOf(run)), probes);
  const pass = async (ms: number, stepMs = 100) => {
    for (let at = 0; at < ms; at += stepMs) await scheduled.clock.move(stepMs);
  };
  return { ...scheduled, pass };
};

const firstOnly = (distortion: Distortion) => {
  const seen = new Set<string>();
  return ({ probe: { id }, repeats }: RunToMake): Distortion => {
    if (seen.has(id) && repeats === undefined) return 'none';
    seen.add(id);
    return distortion;
  };
};

test.each(['agent-overloaded', 'clock-jumped', 'asleep'] as const)(
  'a run that was distorted (%s) is made again soon, once, and says what it repeats',
  async (distortion) => {
    // The repeat is distorted as well: there is no third.
    const { pass, made, countMissed } = setUp([probe('a')], firstOnly(distortion));
    await pass(70_000);
    const [first, second, third] = made;
    expect(second).toMatchObject({ repeats: first?.runId, latenessMs: undefined });
    expect(second?.runId).not.toBe(first?.runId);
    expect(third?.repeats).toBeUndefined();
    expect(countMissed('not-repeated')).toBe(0);
  },
);

test('the two of a pair are made again as a pair, though only one was distorted', async () => {
  const pair = [
    probe('shop', { via: 'tunnel', pair: 'shop' }),
    probe('shop-direct', { pair: 'shop' }),
  ];
  const { pass, made } = setUp(pair, ({ probe: { id }, repeats }) =>
    id === 'shop' && repeats === undefined ? 'agent-overloaded' : 'none',
  );
  await pass(62_500);
  const again = made.filter(({ repeats }) => repeats !== undefined);
  expect(again).toHaveLength(2);
  expect(new Set(again.map(({ pairId }) => pairId)).size).toBe(1);
  expect(again[0]?.pairId).not.toBe(made[0]?.pairId);
  for (const { probe: of, repeats } of again) {
    const original = made.find(({ runId }) => runId === repeats);
    expect(original?.probe.id).toBe(of.id);
  }
});

test('overload does not lead to more load: one repeat a minute, the others are counted', async () => {
  const many = Array.from({ length: 30 }, (_, i) => probe(`p${i}`, { intervalMs: 20_000 }));
  const { pass, made, countMissed } = setUp(many, () => 'agent-overloaded');
  await pass(600_000, 250);
  const repeats = made.filter((each) => each.repeats !== undefined).length;
  const planned = made.length - repeats;
  expect(planned).toBe(30 * 30);
  expect(repeats).toBeGreaterThanOrEqual(9);
  expect(repeats).toBeLessThanOrEqual(11);
  // One may still be waiting for its time.
  expect(planned - repeats - countMissed('not-repeated')).toBeLessThanOrEqual(1);
});

test('nothing is made again where the planned run comes as soon', async () => {
  const { pass, made, countMissed } = setUp([probe('a', { intervalMs: 2_000 })], () => 'asleep');
  const slow = setUp([probe('b', { intervalMs: 2_000 })], () => 'agent-overloaded');
  await pass(10_000);
  await slow.pass(10_000);
  expect(slow.made).toHaveLength(5);
  expect(slow.countMissed('not-repeated')).toBe(5);
  // A second after a sleep there is still room before the next.
  expect(made.filter(({ repeats }) => repeats !== undefined).length).toBeGreaterThan(0);
  expect(countMissed('overrun')).toBe(0);
});

test('a repeat that waits when its probe leaves the plan, or the agent stops, is counted', async () => {
  const gone = setUp([probe('a')], firstOnly('agent-overloaded'));
  const stopped = setUp([probe('a')], firstOnly('agent-overloaded'));
  for (const { clock, made } of [gone, stopped]) {
    while (made.length === 0) await clock.move(100);
  }
  gone.scheduler.setPlan([]);
  await gone.pass(3_000);
  await stopped.scheduler.stop();
  for (const { made, countMissed, open } of [gone, stopped]) {
    expect(made).toHaveLength(1);
    expect(countMissed('not-repeated')).toBe(1);
    expect(countMissed('stopped')).toBe(0);
    expect(open.size).toBe(0);
  }
});
