import { describe, expect, it } from 'vitest';
import type { EdgeConfig } from '#contract/policy.ts';
import { compileAccess } from '#edge/access.ts';
import { createAddressGuard } from '#edge/address-guard.ts';
import { createGate } from '#edge/ip/gate.ts';
import { makeIcmpError } from '#edge/ip/icmp-error.ts';
import { parseIpTarget } from '#edge/ip/target.ts';
import { addressBytes, addressText, checksum, readPacket } from '#runtime/ip-packet.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';
import { packet4, packet6, udpTo } from './packets.ts';

const deviceId = '00000000-0000-4000-8000-000000000001';
const own = { four: '100.96.0.2', six: 'fd77::2' };

const gateOf = (
  policy: Partial<EdgeConfig> = {},
  { path = '/.well-known/masque/ip/*/*/', carriesAll = false } = {},
) => {
  const scope = parseIpTarget(path);
  if ('mistake' in scope) throw new Error(scope.mistake);
  let access = compileAccess({ ...emptyPolicy('e1'), ...policy });
  const gate = createGate({
    deviceId,
    assigned: new Set(Object.values(own).map((each) => addressBytes(each).toString('latin1'))),
    scope,
    carriesAll,
    mtuBytes: 1_400,
    access: () => access,
    isSpecial: createAddressGuard(),
    monotonicMs: () => 0,
  });
  const judge = (packet: Buffer) => {
    const judgement = gate(packet);
    return judgement.passes ? 'passes' : judgement.reason;
  };
  return {
    gate,
    judge,
    ping: (to: string) =>
      judge(to.includes(':') ? packet6({ from: own.six, to }) : packet4({ from: own.four, to })),
    setPolicy: (next: Partial<EdgeConfig>) => {
      access = compileAccess({ ...emptyPolicy('e1'), ...next });
    },
  };
};

const block = (hosts: string[], ports: number[] = []) => ({
  access: [{ id: 'no', action: 'block' as const, hosts, ports, devices: [] }],
});

describe('a packet of a device', () => {
  it('passes from its own address to a public one', () => {
    const { ping } = gateOf();
    expect(ping('11.0.0.1')).toBe('passes');
    expect(ping('2600::1')).toBe('passes');
  });

  it('is dropped from any other address', () => {
    const { judge } = gateOf();
    expect(judge(packet4({ from: '100.96.0.3', to: '11.0.0.1' }))).toBe('spoofed');
    expect(judge(packet4({ from: '11.0.0.1', to: '11.0.0.1' }))).toBe('spoofed');
    expect(judge(packet6({ from: 'fd77::3', to: '2600::1' }))).toBe('spoofed');
    // The same bytes, of the other family.
    expect(judge(packet6({ from: '::100.96.0.2', to: '2600::1' }))).toBe('spoofed');
  });

  it.each([
    '10.0.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '100.96.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    'fd77::1',
    'fe80::1',
    'ff02::1',
    '::ffff:11.0.0.1',
    '64:ff9b::a00:1',
  ])('does not go to %s', (to) => expect(gateOf().ping(to)).toBe('prohibited'));

  it('goes to an address of a private application', () => {
    const privateApplications = [{ appId: 'a', hosts: ['10.9.0.0/16'], ports: [], addresses: {} }];
    expect(gateOf({ privateApplications }).ping('10.9.1.1')).toBe('passes');
  });

  it('is not carried as TCP or UDP, which is told; what an error quotes does not matter', () => {
    const { gate, judge } = gateOf();
    for (const protocol of [6, 17]) {
      const four = packet4({ from: own.four, to: '11.0.0.7', protocol, payload: udpTo(443) });
      const six = packet6({ from: own.six, to: '2600::1', protocol, payload: udpTo(443) });
      for (const [about, from] of [
        [four, '100.96.0.1'],
        [six, 'fd77::1'],
      ] as const) {
        const judgement = gate(about);
        if (judgement.passes || !judgement.facts || !judgement.tell) throw new Error('not told');
        expect(judgement.reason).toBe('notCarried');
        const { facts, tell: cause } = judgement;
        const told = makeIcmpError({ about, facts, cause, from: addressBytes(from) });
        const isFour = from === '100.96.0.1';
        expect(told?.subarray(isFour ? 20 : 40).subarray(0, 2)).toEqual(
          Buffer.from(isFour ? [3, 13] : [1, 1]),
        );
      }
      for (const placed of [0x2000, 0x2001, 1]) {
        const part = packet4({ from: own.four, to: '11.0.0.7', protocol, placed });
        expect(judge(part)).toBe('notCarried');
      }
      const fragment = Buffer.from([0, 0, 0, 9, 0, 0, 0, 1]);
      const hidden = packet6({
        ...{ from: own.six, to: '2600::1', protocol },
        extensions: [{ type: 44, bytes: fragment }],
      });
      expect(judge(hidden)).toBe('notCarried');
      // Fragmentation needed: about a packet of TCP or UDP that came to the device.
      const quoted = packet4({ from: '11.0.0.7', to: own.four, protocol, payload: udpTo(443) });
      const payload = Buffer.concat([Buffer.from('0304000000000514', 'hex'), quoted]);
      expect(judge(packet4({ from: own.four, to: '11.0.0.7', payload }))).toBe('passes');
    }
  });

  it('keeps to the policy, by address and, where it has one, by port', () => {
    expect(gateOf(block(['11.0.0.0/24'])).ping('11.0.0.7')).toBe('denied');
    const { judge, ping } = gateOf(block(['11.0.0.7'], [53]), { carriesAll: true });
    const udp = (payload: Buffer) =>
      packet4({ from: own.four, to: '11.0.0.7', protocol: 17, payload });
    expect(ping('11.0.0.7')).toBe('passes');
    expect(judge(udp(udpTo(53)))).toBe('denied');
    expect(judge(udp(udpTo(54)))).toBe('passes');
  });

  it('meets a new policy at once', () => {
    const { ping, setPolicy } = gateOf();
    expect(ping('11.0.0.7')).toBe('passes');
    setPolicy(block(['11.0.0.7']));
    expect(ping('11.0.0.7')).toBe('denied');
  });

  it('hides no port from the policy in a fragment', () => {
    const { judge } = gateOf({}, { carriesAll: true });
    const base = { from: own.four, to: '11.0.0.7' };
    for (const protocol of [6, 17]) {
      expect(judge(packet4({ ...base, protocol, placed: 0x2000 }))).toBe('fragment');
      expect(judge(packet4({ ...base, protocol, placed: 1 }))).toBe('fragment');
      expect(judge(packet4({ ...base, protocol, payload: Buffer.alloc(3) }))).toBe('fragment');
    }
    expect(judge(packet4({ ...base, placed: 0x2000 }))).toBe('passes');
    expect(judge(packet4({ ...base, placed: 1 }))).toBe('passes');
  });

  it('is of no use when it is malformed or out of hops', () => {
    const { judge } = gateOf();
    expect(judge(Buffer.alloc(0))).toBe('malformed');
    expect(judge(packet4({ from: own.four, to: '11.0.0.7', ttl: 0 }))).toBe('malformed');
  });

  it('stays within what its stream was asked for', () => {
    const path = '/.well-known/masque/ip/11.0.0.0%2F24/47/';
    const { judge, ping } = gateOf({}, { path });
    expect(judge(packet4({ from: own.four, to: '11.0.0.9', protocol: 47 }))).toBe('passes');
    expect(ping('11.0.0.9')).toBe('passes');
    expect(ping('11.0.1.9')).toBe('outOfScope');
    expect(judge(packet4({ from: own.four, to: '11.0.0.9', protocol: 50 }))).toBe('outOfScope');
  });

  it('is too big beyond the MTU', () => {
    const { judge } = gateOf();
    const of = (bytes: number) =>
      packet4({ from: own.four, to: '11.0.0.7', payload: Buffer.alloc(bytes - 20, 8) });
    expect(judge(of(1_400))).toBe('passes');
    expect(judge(of(1_401))).toBe('tooBig');
  });
});

describe('an ICMP error of the edge', () => {
  const errorAbout = (about: Buffer, from: string) => {
    const facts = readPacket(about);
    if (!facts) throw new Error('no packet');
    const cause = { kind: 'too-big', mtuBytes: 1_400 } as const;
    return makeIcmpError({ about, facts, cause, from: addressBytes(from) });
  };

  it('tells the sender the MTU, and quotes its packet', () => {
    const four = packet4({ from: own.four, to: '11.0.0.7', payload: Buffer.alloc(1_480, 8) });
    const told = errorAbout(four, '100.96.0.1') ?? Buffer.alloc(0);
    expect(addressText(readPacket(told)?.destination ?? '')).toBe(own.four);
    expect([told[20], told[21], told.readUInt16BE(26), told.length]).toEqual([3, 4, 1_400, 576]);
    expect(told.subarray(28)).toEqual(four.subarray(0, 548));
    expect(checksum(told.subarray(0, 20))).toBe(0);
    expect(checksum(told.subarray(20))).toBe(0);
    const six = packet6({ from: own.six, to: '2600::1', payload: Buffer.alloc(1_460, 128) });
    const told6 = errorAbout(six, 'fd77::1') ?? Buffer.alloc(0);
    expect([told6[40], told6[41], told6.readUInt32BE(44), told6.length]).toEqual([
      2, 0, 1_400, 1_280,
    ]);
    expect(addressText(readPacket(told6)?.destination ?? '')).toBe(own.six);
  });

  it('is not made about an error, nor about a later fragment', () => {
    const base = { from: own.four, to: '11.0.0.7' };
    expect(
      errorAbout(packet4({ ...base, payload: Buffer.alloc(8, 3) }), '100.96.0.1'),
    ).toBeUndefined();
    expect(errorAbout(packet4({ ...base, placed: 1 }), '100.96.0.1')).toBeUndefined();
    const six = packet6({ from: own.six, to: '2600::1', payload: Buffer.alloc(8, 1) });
    expect(errorAbout(six, 'fd77::1')).toBeUndefined();
  });
});

describe('the target of connect-ip', () => {
  it.each([
    ['*/*', 2, 0],
    ['%2A/%2A', 2, 0],
    ['192.0.2.7/17', 1, 17],
    ['192.0.2.0%2F24/*', 1, 0],
    ['2001%3Adb8%3A%3A%2F32/58', 1, 58],
  ])('%s is understood', (target, rangeCount, protocol) => {
    const scope = parseIpTarget(`/.well-known/masque/ip/${target}/`);
    expect(scope).toMatchObject({ protocol });
    expect('ranges' in scope && scope.ranges).toHaveLength(rangeCount);
  });

  it.each([
    '*',
    'a.test/*',
    '192.0.2.0%2F33/*',
    '*/256',
    '*/-1',
    '*/tcp',
    '%/*',
    '%zz/*',
    'fe80%3A%3A1%2525eth0/*',
    '1.2.3/*',
    '/',
    '*/*/x',
  ])('%s is not', (target) =>
    expect(parseIpTarget(`/.well-known/masque/ip/${target}/`)).toHaveProperty('mistake'),
  );
});
