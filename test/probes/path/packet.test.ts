import { describe, expect, it } from 'vitest';
import { canonicalAddress, decodeIcmp, encodeEcho, internetChecksum } from '#probes/path/packet.ts';

const nonce = Buffer.from('0123456789abcdef', 'hex');
const stamp = { id: 0xbeef, sequence: 7, nonce };

const ipv4 = (payload: Buffer, destination: readonly number[], protocol = 1): Buffer => {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt8(protocol, 9);
  header.set(destination, 16);
  return Buffer.concat([header, payload]);
};
const ipv6 = (payload: Buffer, lastByte: number): Buffer => {
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt8(58, 6);
  header.writeUInt16BE(0x2001, 24);
  header.writeUInt16BE(0x0db8, 26);
  header.writeUInt8(lastByte, 39);
  return Buffer.concat([header, payload]);
};
const icmp = (type: number, code: number, rest: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), rest]);

describe('ICMP packets', () => {
  it('carry a valid checksum that is the same for every sequence number of a run', () => {
    const packets = [1, 2, 300, 65_535].map((sequence) => encodeEcho(4, { ...stamp, sequence }));
    for (const packet of packets) expect(internetChecksum(packet)).toBe(0);
    expect(new Set(packets.map((packet) => packet.readUInt16BE(2))).size).toBe(1);
  });

  it('keep that checksum in every run of a flow, whatever their ids and nonces', () => {
    const runs = [stamp, { id: 3, sequence: 9, nonce: Buffer.alloc(8, 7) }];
    for (const bytes of [64, 576, 1_480]) {
      for (const run of runs) {
        const packet = encodeEcho(4, { ...run, checksum: 0x5ca1 }, bytes);
        expect(packet).toHaveLength(bytes);
        expect(packet.readUInt16BE(2)).toBe(0x5ca1);
        expect(internetChecksum(packet)).toBe(0);
      }
    }
  });

  it('are recognised in an echo reply', () => {
    const reply = encodeEcho(4, stamp);
    reply.writeUInt8(0, 0);
    expect(decodeIcmp(4, ipv4(reply, [10, 0, 0, 1]))).toMatchObject({ kind: 'reply', ...stamp });
  });

  it('are recognised in what a router quotes, also where it quotes no payload', () => {
    const quoted = ipv4(encodeEcho(4, stamp), [192, 0, 2, 9]);
    const whole = decodeIcmp(4, ipv4(icmp(11, 0, quoted), [10, 0, 0, 1]));
    expect(whole).toMatchObject({
      kind: 'time-exceeded',
      quotedDestination: '192.0.2.9',
      ...stamp,
    });
    const least = decodeIcmp(4, ipv4(icmp(11, 0, quoted.subarray(0, 28)), [10, 0, 0, 1]));
    expect(least).toMatchObject({ id: 0xbeef, sequence: 7, nonce: undefined });
  });

  it('are recognised at offset 48 of what an IPv6 router quotes', () => {
    const quoted = ipv6(encodeEcho(6, stamp), 9);
    expect(decodeIcmp(6, icmp(3, 0, quoted))).toMatchObject({
      kind: 'time-exceeded',
      quotedDestination: '2001:db8::9',
      ...stamp,
    });
    expect(decodeIcmp(6, icmp(1, 3, quoted))).toMatchObject({ kind: 'unreachable', code: 3 });
  });

  it.each([
    ['nothing', 4, Buffer.alloc(0)],
    ['a truncated header', 4, ipv4(Buffer.alloc(4), [10, 0, 0, 1])],
    ['our own request coming back on loopback', 4, ipv4(encodeEcho(4, stamp), [127, 0, 0, 1])],
    [
      'a quoted UDP packet',
      4,
      ipv4(icmp(11, 0, ipv4(Buffer.alloc(8), [1, 1, 1, 1], 17)), [1, 1, 1, 1]),
    ],
    ['a quotation cut short', 4, ipv4(icmp(11, 0, Buffer.alloc(10)), [10, 0, 0, 1])],
    ['an IPv6 neighbour solicitation', 6, icmp(135, 0, Buffer.alloc(16))],
    ['a short IPv6 quotation', 6, icmp(3, 0, Buffer.alloc(20))],
  ] as const)('are not seen in %s', (_, family, received) => {
    expect(decodeIcmp(family, received)).toBeUndefined();
  });

  it('spell an address in one way', () => {
    expect(canonicalAddress('2001:DB8:0:0::1')).toBe('2001:db8::1');
    expect(canonicalAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(canonicalAddress('192.0.2.1')).toBe('192.0.2.1');
  });
});
