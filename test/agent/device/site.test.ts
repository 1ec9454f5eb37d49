import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSignalDbm } from '#agent/device/link.ts';
import { readPower } from '#agent/device/power.ts';
import { createSameFlow } from '#agent/device/same-flow.ts';
import { siteIdOf } from '#agent/device/site.ts';
import type { Result } from '#contract/result.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const write = async (files: Record<string, string>): Promise<string> => {
  const folder = await makeTemporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
};

describe('the site', () => {
  const arp = `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         3C:A6:2f:11:22:33     *        wlan0
192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        wlan0
10.0.0.1         0x1         0x2         00:00:5e:00:01:01     *        eth0
`;
  const key = 'ab'.repeat(32);

  test('has one name for all devices with the organisation’s key, and none without it', async () => {
    const folder = await write({ laptop: arp, phone: arp.replaceAll('wlan0', 'wifi7') });
    const laptop = siteIdOf('192.168.1.1', key, join(folder, 'laptop'));
    expect(laptop).toMatch(/^[\w-]{22}$/);
    expect(siteIdOf('192.168.1.1', key, join(folder, 'phone'))).toBe(laptop);
    expect(siteIdOf('192.168.1.1', 'cd'.repeat(32), join(folder, 'laptop'))).not.toBe(laptop);
    expect(laptop).not.toContain('3ca6');
  });

  test('has none where the gateway’s address is not known, or is one that many networks have', async () => {
    const folder = await write({ arp });
    for (const gateway of ['192.168.1.9', '192.168.1.77', '10.0.0.1', 'fe80::1%eth0']) {
      expect(siteIdOf(gateway, key, join(folder, 'arp'))).toBeUndefined();
    }
    expect(siteIdOf('192.168.1.1', key, join(folder, 'not-there'))).toBeUndefined();
  });
});

test('a Wi-Fi’s signal is what the kernel says in dBm, and nothing else', async () => {
  const folder = await write({
    wireless: `Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  -56.  -256        0      0      0      0    123        0
 wlan1: 0000   54.  200.  0        0      0      0      0    123        0
`,
  });
  const file = join(folder, 'wireless');
  expect(readSignalDbm('wlan0', file)).toBe(-56);
  expect(readSignalDbm('wlan1', file)).toBeNull();
  expect(readSignalDbm('eth0', file)).toBeNull();
  expect(readSignalDbm('wlan0', join(folder, 'not-there'))).toBeNull();
});

test('a device is on battery, or on a metered network, where the system says so', async () => {
  const battery = (status: string, more = {}) =>
    write({
      'power_supply/BAT0/type': 'Battery\n',
      'power_supply/BAT0/status': `${status}\n`,
      'power_supply/AC/type': 'Mains\n',
      'net/wwan0/uevent': 'DEVTYPE=wwan\nINTERFACE=wwan0\n',
      'net/eth0/uevent': 'INTERFACE=eth0\n',
      ...more,
    });
  const unplugged = await battery('Discharging');
  expect(readPower('wwan0', unplugged)).toEqual({ onBattery: true, onMetered: true });
  expect(readPower('eth0', await battery('Charging'))).toEqual({
    onBattery: false,
    onMetered: null,
  });
  const desktop = await write({
    'power_supply/mouse/type': 'Battery\n',
    'power_supply/mouse/scope': 'Device\n',
    'power_supply/mouse/status': 'Discharging\n',
  });
  expect(readPower('eth0', desktop)).toEqual({ onBattery: null, onMetered: null });
});

describe('whether what is measured outside the tunnel takes its way', () => {
  const edge = { id: 'fra-1', host: '192.0.2.1', port: 4433 };
  const trace = (body: object): Result =>
    ({
      type: 'path',
      body: { target: '192.0.2.1', reached: true, hops: [{}, {}], ...body },
    }) as Result;
  const afterTraces = (...bodies: object[]) => {
    const clock = { nowMs: 0 };
    const sameFlow = createSameFlow(
      () => edge,
      () => clock.nowMs,
    );
    for (const body of bodies) sameFlow.note(trace(body));
    return { ...sameFlow, clock };
  };

  test.each([
    ['is not known of one flow', [{}], null],
    ['is so where nothing lies between', [{ hops: [{}] }], true],
    ['is so where six flows went one way', [{ flowCount: 6 }], true],
    ['is not so where there are branches', [{ hops: [{ branches: [{}, {}] }, {}] }], false],
    ['stays known over traces of one flow', [{ flowCount: 6 }, {}], true],
    ['is not told by traces elsewhere', [{ target: '192.0.2.9', hops: [{}] }], null],
  ])('%s', (_, bodies, expected) => {
    expect(afterTraces(...bodies).current()).toBe(expected);
  });

  test('is known for an hour', () => {
    const { current, clock } = afterTraces({ flowCount: 6 });
    clock.nowMs = 3_700_000;
    expect(current()).toBeNull();
  });
});
