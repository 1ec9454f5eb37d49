import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { Power } from '#agent/device/power.ts';
import { startBursts } from '#agent/suspicion/bursts.ts';
import { drawLot } from '#agent/suspicion/chance.ts';
import { type BurstPolicy, burstDefaults, type DeviceBurst } from '#contract/burst.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { silentLog } from '#runtime/log.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const onMains: Power = { onBattery: false, onMetered: null };
const onBattery: Power = { onBattery: true, onMetered: null };
const onMobile: Power = { onBattery: false, onMetered: true };

const plan = [
  { id: 'shop-http', appId: 'shop', type: 'http', via: 'tunnel', url: 'https://shop.test/' },
  { id: 'edge-path-a', appId: 'whyslow-edge', type: 'path', host: '192.0.2.1', port: 4433 },
] as unknown as ProbeDefinition[];

const { perHour, calmSeconds } = burstDefaults satisfies BurstPolicy;
const policy: DeviceBurst = {
  everySeconds: 0.2,
  seconds: 60,
  calmSeconds,
  perHour,
  bytesPerDay: 1e9,
  cpuMsPerDay: 1e9,
  maxCpuRatio: 1,
  deviceRatio: 1,
  spreadSeconds: 0,
  onBattery: false,
  onMetered: false,
};

const start = async (changes: Partial<DeviceBurst> = {}, deviceId = randomUUID()) => {
  const device = { power: onMains };
  const begun: string[] = [];
  const bursts = await startBursts({
    deviceId,
    folder: await makeTemporaryFolder(),
    policy: () => ({ ...policy, ...changes }),
    plan: () => plan,
    makeExtra: async ({ probes }) => {
      begun.push(...probes.map(({ id }) => id));
      return [];
    },
    edge: () => ({ host: '192.0.2.1', port: 4433 }),
    tunnel: { setBurst: () => {} },
    sampling: { setDense: () => {} },
    power: () => device.power,
    log: silentLog(),
  });
  onTestFinished(() => bursts.stop());
  const see = (durationMs: number) =>
    bursts.observe({
      ...{ kind: 'result', type: 'http', appId: 'shop', probeId: 'shop-http', durationMs },
      ...{ failure: null, distortion: 'none' },
    } as Result);
  for (let i = 0; i < 8; i += 1) see(200 + i);
  return { bursts, device, begun, see };
};

test('a burst begins with the suspected run and a trace to the edge, at once', async () => {
  const { bursts, begun, see } = await start();
  see(900);
  await waitUntil(() => begun.length >= 2);
  expect(begun.slice(0, 2)).toEqual(['shop-http', 'edge-path-a']);
  expect(bursts.status()).toMatchObject({ isUnderWay: true, last: { appId: 'shop' } });
});

test.each([
  ['the device is on battery', onBattery],
  ['the network is metered', onMobile],
])('a burst ends when %s', async (why, power) => {
  const { bursts, device, begun, see } = await start();
  see(900);
  await waitUntil(() => begun.length >= 2);
  device.power = power;
  await waitUntil(() => !bursts.status().isUnderWay);
  expect(bursts.status().last?.ended).toBe(why);
});

test('one that waits for its moment does not begin on battery, and may once it is charged', async () => {
  const spread = { deviceRatio: 1, spreadSeconds: 1 };
  const delayOf = (deviceId: string): number =>
    drawLot({ deviceId, appId: 'shop', nowMs: Date.now() }, spread).delayMs;
  const late = Array.from({ length: 100 }, () => randomUUID()).find((id) => delayOf(id) > 500);
  const { bursts, device, begun, see } = await start(spread, late);
  see(900);
  device.power = onBattery;
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect({ begun, last: bursts.status().last }).toEqual({ begun: [], last: null });
  device.power = onMains;
  see(900);
  await waitUntil(() => begun.length >= 1);
});
