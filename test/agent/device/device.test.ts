import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { busyRatio, parseProcStat } from '#agent/device/cpu.ts';
import { createGatewayMeter, measureByTcp } from '#agent/device/gateway.ts';
import { readLink } from '#agent/device/link.ts';
import { parseMeminfo } from '#agent/device/memory.ts';
import { parseIpv4Routes, parseIpv6Routes } from '#agent/device/route.ts';
import { startDeviceSampler } from '#agent/device/sampler.ts';
import { check } from '#contract/check.ts';
import { DeviceSample } from '#contract/telemetry.ts';

const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	FE00000A	0003	0	0	100	00000000	0	0	0
eth0	0000000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
`;
const v6Routes = `00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000021122fffe334455 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;

describe('default route', () => {
  test('is the one with the lowest metric', () => {
    expect(parseIpv4Routes(routes)).toEqual({ interfaceName: 'eth0', gateway: '10.0.0.254' });
  });
  test('is IPv6 where there is no IPv4, a link-local gateway with its interface', () => {
    expect(parseIpv4Routes('Iface\tDestination\n')).toBeNull();
    expect(parseIpv6Routes(v6Routes)).toEqual({
      interfaceName: 'eth0',
      gateway: 'fe80::211:22ff:fe33:4455%eth0',
    });
  });
});

describe('cpu and memory', () => {
  test('are ratios of what the system counted between two readings', () => {
    const before = parseProcStat('cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3 4\n');
    const after = parseProcStat('cpu  150 0 150 900 0 0 0 20 60 0\n');
    expect(before).toEqual({ totalTicks: 1_000, idleTicks: 800, stealTicks: 0 });
    expect(busyRatio(before, after)).toBeCloseTo(120 / 220);
    expect(busyRatio(before, before)).toBeNull();
    expect(parseMeminfo('MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n')).toBe(0.75);
    expect(parseMeminfo('nonsense')).toBeNull();
  });
});

describe('link', () => {
  test('says what the loopback interface is', () => {
    expect(readLink('lo')).toMatchObject({ name: 'lo', type: 'loopback' });
    expect(readLink('not-there0')).toEqual({ name: 'not-there0', type: 'other', speedMbps: null });
  });
});

describe('gateway', () => {
  const listen = async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
    return { port, close };
  };

  test('is measured by TCP without the right to send ICMP, a refusal being an answer', async () => {
    const open = await listen();
    onTestFinished(open.close);
    expect(await measureByTcp('127.0.0.1', [open.port])).toBeGreaterThan(0);
    const closed = await listen();
    await closed.close();
    expect(await measureByTcp('127.0.0.1', [closed.port])).toBeGreaterThan(0);
  });

  test('is measured by echo where that is permitted; what is lost is a ratio', async () => {
    const meter = createGatewayMeter({
      echo: async () => ({ sentCount: 4, rttsMs: [3, 1, 2] }),
      stop: async () => {},
    });
    expect(await meter.measure('192.0.2.1')).toEqual({
      address: '192.0.2.1',
      rttMs: 2,
      lossRatio: 0.25,
    });
  });

  test('is measured by echo again once that is permitted again', async () => {
    const answers = [{ notPermitted: 'not now' }, { sentCount: 1, rttsMs: [5] }];
    const meter = createGatewayMeter({
      echo: async () => answers.shift() ?? { sentCount: 0, rttsMs: [] },
      stop: async () => {},
    });
    expect(await meter.measure('127.0.0.1')).toMatchObject({ lossRatio: null });
    expect(meter.notPermitted()).toBe('not now');
    expect(await meter.measure('127.0.0.1')).toMatchObject({ rttMs: 5, lossRatio: 0 });
    expect(meter.notPermitted()).toBeNull();
  });
});

describe('device sampler', () => {
  test('gives a sample the collector takes, in about a millisecond', async () => {
    const meter = createGatewayMeter({
      echo: async () => ({ notPermitted: 'no raw sockets in this test' }),
      stop: async () => {},
    });
    const sampler = startDeviceSampler({
      deviceId: '3f1f6c9e-7b51-4f52-9e2a-111111111111',
      gatewayMeter: meter,
      spoolBytes: () => 123,
    });
    onTestFinished(() => sampler.stop());
    sampler.take();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const costs: number[] = [];
    let sample = sampler.take();
    for (let round = 0; round < 50; round += 1) {
      const startedMs = performance.now();
      sample = sampler.take();
      costs.push(performance.now() - startedMs);
    }
    expect(check(DeviceSample, sample)).toMatchObject({ ok: true });
    expect(sample.memoryUsedRatio).toBeGreaterThan(0);
    expect(sample.spoolBytes).toBe(123);
    // The fastest of many says what it costs; the others say what else the machine did.
    expect(Math.min(...costs)).toBeLessThan(2);
  });
});
