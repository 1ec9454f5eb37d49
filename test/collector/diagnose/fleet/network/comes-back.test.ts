import { describe, expect, it } from 'vitest';
import { allOn } from '#collector/diagnose/fleet/accepted.ts';
import { inferNetwork } from '#collector/diagnose/fleet/network/infer-network.ts';
import { device, fresh, view } from './world.ts';

const found = (lately: string[]): string[] => {
  const slow = {
    deviceId: 'device-0',
    gateway: fresh(80),
    underlay: fresh(80),
    tunnel: fresh(80),
    runRoundTrip: fresh(80),
    trace: null,
  };
  const fleet = [slow, ...['device-1', 'device-2'].map((deviceId) => ({ deviceId }))];
  const bin = view(
    fleet.map((changes, at) => device(at, changes)),
    [],
  );
  return inferNetwork(bin, new Set(), allOn, new Set(lately)).map(({ key }) => key);
};

describe('a cause that comes and goes', () => {
  it('of one device needs two bins the first time', () => {
    expect(found([])).toEqual([]);
  });

  it('needs one bin to come back', () => {
    expect(found(['wifi:device-0/delay'])).toEqual(['wifi:device-0/delay']);
  });

  it('makes no other cause come sooner', () => {
    expect(found(['tunnel:device-0/delay'])).toEqual([]);
  });
});
