import { describe, expect, it } from 'vitest';
import { allOn } from '#collector/diagnose/fleet/accepted.ts';
import type { DeviceView } from '#collector/diagnose/fleet/bin-view.ts';
import { inferNetwork } from '#collector/diagnose/fleet/network/infer-network.ts';
import { device, loss, view } from './world.ts';

const named = (losing: Partial<DeviceView>): string[] => {
  const fleet = [0, 1, 2, 3].map((index) =>
    device(index, {
      deviceId: `device-${index}`,
      ...(index === 0 ? { ...losing, trace: null } : {}),
    }),
  );
  const found = inferNetwork(view(fleet, []), new Set(), allOn);
  return found.map(({ family, kind }) => `${family} ${kind}`);
};

describe('losses in bursts', () => {
  it('are the local link’s though a burst took most of what the tunnel sent', () => {
    const [gatewayLoss, underlayLoss, tunnelLoss] = [loss(40, 6), loss(160, 24), loss(48, 26)];
    expect(named({ gatewayLoss, underlayLoss, tunnelLoss })).toEqual(['wifi loss']);
  });

  it('are one loss where one sort of packets clearly loses, only less', () => {
    const [gatewayLoss, underlayLoss, tunnelLoss] = [loss(60, 14), loss(240, 72), loss(72, 5)];
    expect(named({ gatewayLoss, underlayLoss, tunnelLoss })).toEqual(['wifi loss']);
  });

  it('are not the local link’s where hardly a packet to the gateway was lost', () => {
    const [gatewayLoss, underlayLoss, tunnelLoss] = [loss(60, 1), loss(240, 48), loss(72, 14)];
    expect(named({ gatewayLoss, underlayLoss, tunnelLoss })).toEqual(['last-mile loss']);
  });

  it('are the tunnel’s own where nothing is lost outside of it', () => {
    const [gatewayLoss, underlayLoss, tunnelLoss] = [loss(60, 0), loss(240, 0), loss(72, 14)];
    expect(named({ gatewayLoss, underlayLoss, tunnelLoss })).toEqual(['tunnel-client loss']);
  });
});
