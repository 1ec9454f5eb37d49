import { describe, expect, test } from 'vitest';
import { createLanes, type Waiting } from '#agent/lanes.ts';
import type { ProbeDefinition } from '#contract/plan.ts';

const common = { via: 'direct', intervalMs: 60_000, timeoutMs: 60_000 } as const;
const waiting = (id: string, appId: string, type: 'dns' | 'page-load' = 'dns'): Waiting => {
  const probe: ProbeDefinition =
    type === 'dns'
      ? { ...common, id, appId, type, name: 'shop.test', recordType: 'A', server: '' }
      : { ...common, id, appId, type, url: 'https://shop.test/' };
  return { probe };
};
const idsOf = (started: readonly Waiting[]) => started.map(({ probe }) => probe.id);

describe('lanes', () => {
  test('applications take turns with their page loads, however many one has', () => {
    const lanes = createLanes<Waiting>();
    for (let i = 0; i < 10; i += 1) lanes.add(waiting(`hung-${i}`, 'hung', 'page-load'));
    let underway = lanes.start(0);
    lanes.add(waiting('sound-0', 'sound', 'page-load'));
    lanes.add(waiting('sound-1', 'sound', 'page-load'));
    const order = [...idsOf(underway)];
    for (let now = 1; underway.length > 0; now += 1) {
      for (const one of underway) lanes.end(one);
      underway = lanes.start(now);
      expect(underway.length).toBeLessThanOrEqual(1);
      order.push(...idsOf(underway));
    }
    expect(order.slice(0, 5)).toEqual(['hung-0', 'sound-0', 'hung-1', 'sound-1', 'hung-2']);
    expect(order).toHaveLength(12);
  });

  test('many applications that hang do not keep a sound one out', () => {
    const lanes = createLanes<Waiting>();
    const underway: Waiting[] = [];
    let now = 0;
    const startAll = () => {
      for (let step = 0; step < 100; step += 1) {
        now += 30;
        underway.push(...lanes.start(now));
      }
    };
    for (let app = 0; app < 8; app += 1) {
      for (let i = 0; i < 16; i += 1) lanes.add(waiting(`${app}-${i}`, `hung-${app}`));
    }
    startAll();
    // Each of them has some.
    expect(new Set(underway.map(({ probe }) => probe.appId)).size).toBe(8);
    lanes.add(waiting('sound', 'sound'));
    now += 30;
    expect(idsOf(lanes.start(now))).toEqual(['sound']);
    // In all there is a bound still.
    for (let app = 0; app < 200; app += 1) lanes.add(waiting(`more-${app}`, `more-${app}`));
    startAll();
    expect(underway.length + 1).toBe(128);
    expect(lanes.drain().length).toBe(8 * 16 + 1 + 200 - 128);
  });
});
