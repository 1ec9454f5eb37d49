import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { compileAccess } from '#edge/access.ts';
import { createAddressGuard } from '#edge/address-guard.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';

const device = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';

describe('access policy', () => {
  const access = compileAccess({
    ...emptyPolicy('e'),
    access: [
      { id: 'boss', action: 'allow', hosts: ['game.test'], ports: [], devices: [other] },
      { id: 'games', action: 'block', hosts: ['.game.test'], ports: [], devices: [] },
      { id: 'telnet', action: 'block', hosts: ['*'], ports: [23], devices: [] },
      { id: 'mail', action: 'allow', hosts: ['mail.test'], ports: [25], devices: [] },
    ],
  });

  it.each([
    ['game.test', 443, device, 'block', 'games'],
    ['game.test', 443, other, 'allow', 'boss'],
    ['www.game.test', 443, other, 'block', 'games'],
    ['work.test', 443, device, 'allow', 'default'],
    ['work.test', 23, device, 'block', 'telnet'],
    ['mail.test', 25, device, 'allow', 'mail'],
    ['work.test', 25, device, 'block', 'default-smtp'],
  ] as const)('the first matching rule decides: %s:%i', (host, port, deviceId, action, rule) => {
    expect(access.decide(deviceId, { host, port })).toEqual({ action, rule });
  });
});

describe('addresses an edge does not dial', () => {
  it('are also its own, and those it gets while it runs', () => {
    const clock = { nowMs: 0 };
    const made = (address: string) => ({ ...networkInterfaces()['lo']?.[0], address });
    const addresses = [made('203.119.1.1')];
    const guard = createAddressGuard({
      interfaces: () => ({ eth0: addresses }) as ReturnType<typeof networkInterfaces>,
      monotonicMs: () => clock.nowMs,
    });
    expect(guard('203.119.1.1')).toBe(true);
    expect(guard('203.119.1.2')).toBe(false);
    addresses.push(made('203.119.1.2'), made('2606:4700::0001'));
    clock.nowMs += 5_000;
    expect(guard('203.119.1.2')).toBe(true);
    expect(guard('2606:4700::1')).toBe(true);
  });

  const isSpecial = createAddressGuard();
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:0:808:808',
    '64:ff9b:1::808:808',
    '2002:808:808::1',
    '64:ff9b::a00:1',
    '2002:a00:1::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'ff02::1',
    '2001:0:53aa::1',
  ])('%s', (address) => {
    expect(isSpecial(address)).toBe(true);
  });

  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111'])(
    'but %s is public',
    (address) => {
      expect(isSpecial(address)).toBe(false);
    },
  );
});
