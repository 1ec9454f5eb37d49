import { describe, expect, it } from 'vitest';
import type { DeviceView } from '#collector/diagnose/fleet/bin-view.ts';
import { tunnelClaims } from '#collector/diagnose/fleet/causes/tunnel.ts';
import { inferNetwork } from '#collector/diagnose/fleet/network/infer-network.ts';
import { delta, device, trace, view } from './world.ts';

const allOn = { fleet: true, oneSidedHops: true, fastPass: true };
const infer = (devices: DeviceView[]) => inferNetwork(view(devices), new Set(), allOn);
const named = (found: ReturnType<typeof infer>) =>
  found.map(({ family, kind, element }) => `${family} ${kind} ${element.id}`);

const route = trace([{ address: '192.168.1.1' }, { address: '198.51.100.1' }], 0);
const calm = (index: number, changes: Partial<DeviceView> = {}) =>
  device(index, {
    deviceId: `device-${index}`,
    trace: route,
    runRoundTrip: delta(0, 2),
    ...changes,
  });
const several = (count: number, from: number, changes: Partial<DeviceView> = {}) =>
  Array.from({ length: count }, (_, at) => calm(from + at, changes));
/** What waits to be sent holds up runs, while the control session has nothing to wait for. */
const queueing = { queue: delta(60, 0.3), runRoundTrip: delta(61, 2) };
/** The tunnel itself is slow, its queue is empty. */
const sluggish = { tunnel: delta(60), runRoundTrip: delta(61, 2) };

describe('a tunnel that is slow in one way only', () => {
  it('is named when only its send queue stands, and nobody is said to meet it and be well', () => {
    const [found, ...others] = infer([calm(0, queueing), ...several(5, 1)]);
    expect(found).toMatchObject({
      family: 'tunnel-client',
      segment: 'tunnel-queue',
      element: { id: 'device-0' },
      healthyCount: 0,
    });
    expect(found?.costMs(0, 'mail')).toBeGreaterThan(5 * 55);
    expect(others).toEqual([]);
  });

  it('is named when only its round trip is longer, its queue being empty', () => {
    const found = infer([calm(0, sluggish), ...several(5, 1)]);
    expect(named(found)).toEqual(['tunnel-client delay device-0']);
  });

  it.each([queueing, sluggish])('is its version’s when all that run it have it', (slow) => {
    const facts = { programVersion: '2.0' };
    const found = infer([
      ...several(2, 0, { ...slow, facts }),
      ...several(2, 2, { ...slow, facts, edgeId: 'south' }),
      ...several(4, 4, { facts: { programVersion: '1.9' } }),
      ...several(4, 8, { facts: { programVersion: '1.9' }, edgeId: 'south' }),
    ]);
    expect(named(found)).toEqual(['tunnel-cohort delay programVersion=2.0']);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(5 * 55);
    expect(found[0]?.costMs(4, 'mail')).toBe(0);
  });

  it('falls on the way where that is slow, too', () => {
    const slow = { ...sluggish, underlay: delta(60), trace: trace(hops(60), 60) };
    expect(named(infer([calm(0, slow), ...several(5, 1)])).join()).not.toContain('tunnel');
  });

  it('explains no round trips of one whose way outside is slow as well', () => {
    const slots = {
      gateway: [],
      tunnel: [0],
      queue: [1],
      runs: [2],
      timed: [0, 2],
      along: new Map(),
    };
    const keysOf = (changes: Partial<DeviceView>) => {
      const unit = {
        id: 'device-0',
        site: 'home',
        device: calm(0, changes),
        onward: null,
        paths: [],
      };
      return tunnelClaims(unit)
        .filter(({ mask }) => mask(slots).join() === '0')
        .map(({ key }) => key);
    };
    expect(keysOf(sluggish)).toContain('tunnel-alone:device-0');
    expect(keysOf({ ...sluggish, underlay: delta(60) })).toEqual([]);
  });
});

const hops = (addedMs: number) => [
  { address: '192.168.1.1' },
  { address: '198.51.100.1', addedMs },
];
