import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCapsuleReader, encodeCapsule, encodeDatagrams } from '#runtime/capsules/capsule.ts';
import { readVarint, varintBytes, writeVarint } from '#runtime/capsules/varint.ts';

describe('variable-length integers', () => {
  // The samples of RFC 9000 appendix A.1, and the borders of each form.
  it.each([
    ['c2197c5eff14e88c', 151_288_809_941_952_640], // …652 rounded
    ['9d7f3e7d', 494_878_333],
    ['7bbd', 15_293],
    ['25', 37],
    ['4025', 37],
    ['00', 0],
    ['3f', 63],
    ['4040', 64],
    ['7fff', 16_383],
    ['80004000', 16_384],
    ['bfffffff', 1_073_741_823],
    ['c000000040000000', 1_073_741_824],
    ['c01fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['ffffffffffffffff', 2 ** 62],
  ])('%s is %d', (hex, value) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(readVarint(bytes, 0)).toEqual({ value, end: bytes.length });
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(readVarint(bytes.subarray(0, cut), 0)).toBeUndefined();
    }
  });

  it.each([0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER])(
    '%d is written in its shortest form and read again',
    (value) => {
      const bytes = Buffer.alloc(10);
      const end = writeVarint(bytes, 1, value);
      expect(end).toBe(1 + varintBytes(value));
      expect(readVarint(bytes, 1)).toEqual({ value, end });
    },
  );
});

type Seen = { context?: number; type?: number; oversized?: number; bytes?: string };

const readAll = (chunks: readonly Buffer[], maxCapsuleBytes = 65_536) => {
  const seen: Seen[] = [];
  const reader = createCapsuleReader({
    onDatagram: (context, payload) => seen.push({ context, bytes: payload.toString('hex') }),
    onCapsule: (type, value) => seen.push({ type, bytes: value.toString('hex') }),
    onOversized: (type, length) => seen.push({ type, oversized: length }),
    maxCapsuleBytes,
  });
  for (const chunk of chunks) reader.push(chunk);
  return { seen, isBetween: reader.isBetween() };
};

const inPieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );

describe('capsules', () => {
  it('a datagram is type 0, its length, its context, its payload', () => {
    expect(encodeDatagrams(0, [Buffer.from('hi')]).toString('hex')).toBe('0003006869');
    expect(encodeDatagrams(300, [Buffer.from('hi')]).toString('hex')).toBe('0004412c6869');
  });

  it('come out of the stream whole, however it was cut up', () => {
    const payloads = [0, 1, 62, 63, 64, 1_200, 16_382, 16_383, 40_000].map((n) => randomBytes(n));
    const bytes = Buffer.concat([
      encodeDatagrams(0, payloads.slice(0, 5)),
      encodeCapsule(0x1234_5678, randomBytes(700)),
      encodeDatagrams(2, payloads.slice(5)),
      encodeCapsule(7, Buffer.alloc(0)),
    ]);
    const whole = readAll([bytes]);
    expect(whole.seen.filter(({ type }) => type === undefined).map((each) => each.bytes)).toEqual(
      payloads.map((payload) => payload.toString('hex')),
    );
    expect(whole.seen.map(({ context }) => context)).toEqual([
      0,
      0,
      0,
      0,
      0,
      undefined,
      2,
      2,
      2,
      2,
      undefined,
    ]);
    expect(whole.isBetween).toBe(true);
    for (const size of [1, 2, 3, 7, 1_000, 16_384]) {
      expect(readAll(inPieces(bytes, size))).toEqual(whole);
    }
  });

  it('one that is too long is passed over without being kept, and the next is read', () => {
    const bytes = Buffer.concat([
      encodeCapsule(9, randomBytes(5_000)),
      encodeDatagrams(0, [Buffer.from('next')]),
    ]);
    for (const size of [1, 999, 10_000]) {
      expect(readAll(inPieces(bytes, size), 4_999)).toEqual({
        seen: [
          { type: 9, oversized: 5_000 },
          { context: 0, bytes: Buffer.from('next').toString('hex') },
        ],
        isBetween: true,
      });
    }
  });

  it('one that claims 2^62 bytes takes no memory', () => {
    const before = process.memoryUsage().arrayBuffers;
    const head = Buffer.from('00ffffffffffffffff', 'hex');
    const chunk = Buffer.alloc(1_048_576);
    const { seen, isBetween } = readAll([head, ...Array.from({ length: 64 }, () => chunk)]);
    expect(seen).toEqual([{ type: 0, oversized: 2 ** 62 }]);
    expect(isBetween).toBe(false);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1_048_576);
  });

  it('a datagram without a context is dropped, one with an empty payload is not', () => {
    const bytes = Buffer.from('0000' + '0001c0' + '000100', 'hex');
    expect(readAll([bytes]).seen).toEqual([{ context: 0, bytes: '' }]);
  });

  it.each(['00', '0003', '000300', '00030068', 'c0', 'c000000000'])(
    'a stream that ends after %s was cut short',
    (hex) => {
      expect(readAll([Buffer.from(hex, 'hex')])).toEqual({ seen: [], isBetween: false });
    },
  );

  it('whatever bytes come, nothing is thrown', () => {
    for (let round = 0; round < 300; round++) {
      readAll(inPieces(randomBytes(2_000), 1 + (round % 97)), 500);
    }
  });
});
