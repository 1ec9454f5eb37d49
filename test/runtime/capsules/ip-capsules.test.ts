import { describe, expect, it } from 'vitest';
import { createCapsuleReader } from '#runtime/capsules/capsule.ts';
import {
  encodeAddressAssign,
  encodeAddressRequest,
  encodeRouteAdvertisement,
  parseAddressAssign,
  parseAddressRequest,
  parseRouteAdvertisement,
} from '#runtime/capsules/ip-capsules.ts';
import { addressBytes } from '#runtime/ip-packet.ts';

/** What a reader makes of an encoded capsule. */
const readBack = (encoded: Buffer): { type: number; value: Buffer } => {
  const found: { type: number; value: Buffer }[] = [];
  const reader = createCapsuleReader({
    onDatagram: () => {},
    onCapsule: (type, value) => found.push({ type, value }),
    maxCapsuleBytes: 65_536,
  });
  reader.push(encoded);
  const [capsule] = found;
  if (!capsule) throw new Error('no capsule');
  return capsule;
};

const four = { requestId: 1, address: addressBytes('100.96.0.2'), prefixBits: 32 };
const six = { requestId: 70_000, address: addressBytes('fd77::2'), prefixBits: 128 };
const range = (from: string, to: string, protocol = 0) => ({
  from: addressBytes(from),
  to: addressBytes(to),
  protocol,
});

describe('capsules of connect-ip', () => {
  it('say what RFC 9484 section 4.7 has as their bytes', () => {
    expect(encodeAddressAssign([four]).toString('hex')).toBe('010701046460000220');
    expect(encodeAddressRequest([four]).toString('hex')).toBe('020701046460000220');
    const route = encodeRouteAdvertisement([range('192.0.2.11', '192.0.2.42', 17)]);
    expect(route.toString('hex')).toBe('030a04c000020bc000022a11');
  });

  it('come out as they went in', () => {
    expect(parseAddressAssign(readBack(encodeAddressAssign([four, six])).value)).toEqual([
      four,
      six,
    ]);
    expect(parseAddressAssign(readBack(encodeAddressAssign([])).value)).toEqual([]);
    expect(parseAddressRequest(readBack(encodeAddressRequest([four, six])).value)).toEqual([
      four,
      six,
    ]);
    const ranges = [
      range('0.0.0.0', '9.255.255.255'),
      range('11.0.0.0', '255.255.255.255'),
      range('::', 'fd::'),
    ];
    expect(parseRouteAdvertisement(readBack(encodeRouteAdvertisement(ranges)).value)).toEqual(
      ranges,
    );
  });

  it.each([
    ['an unknown IP version', '01056460000220'],
    ['an address cut short', '0104646000'],
    ['no prefix length', '010464600002'],
    ['a prefix longer than the address', '01046460000221'],
    ['bits of the address after the prefix', '01046460000218'],
    ['half a number', '40'],
  ])('are refused with %s', (_, hex) => {
    expect(parseAddressAssign(Buffer.from(hex, 'hex'))).toBeUndefined();
    expect(parseAddressRequest(Buffer.from(hex, 'hex'))).toBeUndefined();
  });

  it('ask for at least one address, and number each', () => {
    expect(parseAddressRequest(Buffer.alloc(0))).toBeUndefined();
    for (const ids of [[0], [1, 1]]) {
      const asked = ids.map((requestId) => ({ ...four, requestId }));
      expect(parseAddressRequest(readBack(encodeAddressRequest(asked)).value)).toBeUndefined();
    }
  });

  it.each([
    ['an end before its beginning', [range('11.0.0.9', '11.0.0.1')]],
    ['ranges out of order', [range('12.0.0.0', '12.0.0.9'), range('11.0.0.0', '11.0.0.9')]],
    ['one range over another', [range('11.0.0.0', '11.0.0.9'), range('11.0.0.9', '11.0.0.20')]],
    ['IPv6 before IPv4', [range('::', '::1'), range('11.0.0.0', '11.0.0.9')]],
    [
      'protocols out of order',
      [range('11.0.0.0', '11.0.0.9', 17), range('12.0.0.0', '12.0.0.9', 6)],
    ],
  ])('advertise no routes with %s', (_, ranges) => {
    const { value } = readBack(encodeRouteAdvertisement(ranges));
    expect(parseRouteAdvertisement(value)).toBeUndefined();
  });

  it('are not read past what memory is worth', () => {
    const many = Array.from({ length: 1_025 }, (_, i) => ({ ...four, requestId: i + 1 }));
    expect(parseAddressRequest(readBack(encodeAddressRequest(many)).value)).toBeUndefined();
    expect(parseRouteAdvertisement(Buffer.from('04c000020b', 'hex'))).toBeUndefined();
  });
});
