import { describe, expect, it } from 'vitest';
import { addressBytes, addressText, readPacket } from '#runtime/ip-packet.ts';
import { echo6, packet4, packet6 } from '#test/edge/ip/packets.ts';

const from4 = { from: '100.96.0.2', to: '11.0.0.1' };
const from6 = { from: 'fd77::2', to: '2600::1' };
const eight = (...bytes: number[]) => Buffer.concat([Buffer.from(bytes)], 8);
const fragment = (offset: number, more: boolean) =>
  eight(0, 0, offset >> 5, ((offset << 3) & 0xff) | Number(more));

const changed = (packet: Buffer, at: number, value: number): Buffer => {
  const copy = Buffer.from(packet);
  copy.writeUInt8(value, at);
  return copy;
};

describe('an IP packet', () => {
  it('says from where to where, and what it carries', () => {
    const facts = readPacket(packet4({ ...from4, protocol: 47 }));
    expect(facts).toMatchObject({ version: 4, protocol: 47, headerBytes: 20, fragment: 'no' });
    expect(addressText(facts?.source ?? '')).toBe('100.96.0.2');
    expect(addressText(facts?.destination ?? '')).toBe('11.0.0.1');
    const six = readPacket(packet6(from6));
    expect(six).toMatchObject({ version: 6, protocol: 58, headerBytes: 40, hopsLeft: 64 });
    expect(addressText(six?.destination ?? '')).toBe('2600::1');
  });

  it('says what is behind its extension headers', () => {
    const extensions = [
      { type: 0, bytes: eight(0, 0) },
      { type: 60, bytes: Buffer.concat([eight(0, 1), Buffer.alloc(8)]) },
      // Of an authentication header the length is in units of 4 bytes, less two.
      { type: 51, bytes: Buffer.concat([eight(0, 1), Buffer.alloc(4)]) },
    ];
    expect(readPacket(packet6({ ...from6, extensions }))).toMatchObject({
      protocol: 58,
      headerBytes: 40 + 8 + 16 + 12,
    });
  });

  it('says which fragment it is', () => {
    expect(readPacket(packet4({ ...from4, placed: 0x2000 }))?.fragment).toBe('first');
    expect(readPacket(packet4({ ...from4, placed: 0x00b9 }))?.fragment).toBe('later');
    expect(readPacket(packet4({ ...from4, placed: 0x4000 }))?.fragment).toBe('no');
    const six = (bytes: Buffer) =>
      readPacket(packet6({ ...from6, extensions: [{ type: 44, bytes }] }))?.fragment;
    expect(six(fragment(0, true))).toBe('first');
    expect(six(fragment(185, true))).toBe('later');
    expect(six(fragment(0, false))).toBe('no');
  });

  const good4 = packet4(from4);
  const good6 = packet6(from6);
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.of(0x45)],
    ['another version', changed(good4, 0, 0x55)],
    ['half a header', good4.subarray(0, 19)],
    ['a header shorter than any', changed(good4, 0, 0x44)],
    ['a header longer than the packet', changed(good4.subarray(0, 24), 0, 0x4f)],
    ['a length that is not its own', changed(good4, 3, good4.length + 1)],
    ['bytes after its end', Buffer.concat([good4, Buffer.alloc(1)])],
    ['half an IPv6 header', good6.subarray(0, 39)],
    ['an IPv6 length that is not its own', changed(good6, 5, 9)],
    [
      'a loose source route',
      packet4({ ...from4, options: Buffer.from('0183070400000000', 'hex') }),
    ],
    [
      'a strict source route',
      packet4({ ...from4, options: Buffer.from('8907040a00000100', 'hex') }),
    ],
    ['an option without a length', packet4({ ...from4, options: Buffer.from('01010107', 'hex') })],
    ['an option of length 0', packet4({ ...from4, options: Buffer.from('07000000', 'hex') })],
    [
      'a routing header with ways to go',
      packet6({ ...from6, extensions: [{ type: 43, bytes: eight(0, 0, 0, 1) }] }),
    ],
    [
      'an extension header cut short',
      packet6({
        ...from6,
        payload: Buffer.alloc(4),
        extensions: [{ type: 60, bytes: eight(0, 9) }],
      }),
    ],
    [
      'hop-by-hop options in the middle',
      packet6({
        ...from6,
        extensions: [
          { type: 60, bytes: eight() },
          { type: 0, bytes: eight() },
        ],
      }),
    ],
    [
      'more extension headers than hosts read',
      packet6({
        ...from6,
        extensions: Array.from({ length: 9 }, () => ({ type: 60, bytes: eight() })),
      }),
    ],
    ['an extension header alone', packet6({ ...from6, protocol: 60, payload: Buffer.alloc(0) })],
  ])('is none with %s', (_, packet) => {
    expect(readPacket(packet)).toBeUndefined();
  });

  it('is read in no way outside of its bytes, whatever they are', () => {
    const random = (seed: number) => {
      let state = seed;
      return () => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
      };
    };
    const next = random(7);
    for (let i = 0; i < 20_000; i++) {
      const base =
        i % 2 === 0
          ? good4
          : packet6({ ...from6, extensions: [{ type: 60, bytes: eight() }], payload: echo6 });
      const bytes = Buffer.from(base.subarray(0, Math.floor(next() * (base.length + 1))));
      for (let j = 0; j < 3 && bytes.length > 0; j++) {
        bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      }
      const facts = readPacket(bytes);
      if (facts) expect(facts.headerBytes).toBeLessThanOrEqual(bytes.length);
    }
  });
});

describe('an address', () => {
  it.each([
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    'fd77::1',
    '2001:db8:0:1::',
    '1:2:3:4:5:6:7:8',
  ])('%s is written as it was read', (text) => expect(addressText(addressBytes(text))).toBe(text));
});
