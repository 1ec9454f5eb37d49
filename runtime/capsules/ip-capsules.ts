import { encodeCapsule } from './capsule.ts';
import { readVarint, varintBytes, writeVarint } from './varint.ts';

/** Capsule types of RFC 9484 section 4.7. */
export const addressAssignCapsule = 1;
export const addressRequestCapsule = 2;
export const routeAdvertisementCapsule = 3;

/** An assigned or requested address. Addresses are bytes as on the wire: 4 of them, or 16. */
export type AssignedAddress = {
  /** Of the request that this answers; 0: none. */
  requestId: number;
  address: Buffer;
  prefixBits: number;
};

/** Addresses `from` to `to`, both of them included; protocol 0: any. */
export type AddressRange = { from: Buffer; to: Buffer; protocol: number };

/** More in one capsule is not read: nobody needs them, and each costs memory. */
const maxEntries = 1_024;

export const encodeAddressAssign = (addresses: readonly AssignedAddress[]): Buffer =>
  encodeCapsule(addressAssignCapsule, Buffer.concat(addresses.map(encodeAddress)));

export const encodeAddressRequest = (addresses: readonly AssignedAddress[]): Buffer =>
  encodeCapsule(addressRequestCapsule, Buffer.concat(addresses.map(encodeAddress)));

/** Ranges in the order that RFC 9484 section 4.7.3 asks for: by version, protocol, first address. */
export const encodeRouteAdvertisement = (ranges: readonly AddressRange[]): Buffer =>
  encodeCapsule(
    routeAdvertisementCapsule,
    Buffer.concat(
      ranges.map(({ from, to, protocol }) =>
        Buffer.concat([Buffer.of(versionOf(from)), from, to, Buffer.of(protocol)]),
      ),
    ),
  );

/** Undefined: malformed, and the stream that carried it is to be aborted (section 4.7.1). */
export const parseAddressAssign = (value: Buffer): AssignedAddress[] | undefined =>
  parseAddresses(value);

/** The same for a request, which asks for at least one address and numbers each (section 4.7.2). */
export const parseAddressRequest = (value: Buffer): AssignedAddress[] | undefined => {
  const requested = parseAddresses(value);
  if (!requested || requested.length === 0) return undefined;
  const ids = new Set(requested.map(({ requestId }) => requestId));
  return ids.has(0) || ids.size < requested.length ? undefined : requested;
};

/** Undefined: malformed (section 4.7.3), ranges out of order or one over another included. */
export const parseRouteAdvertisement = (value: Buffer): AddressRange[] | undefined => {
  const ranges: AddressRange[] = [];
  for (let offset = 0; offset < value.length; ) {
    const length = addressBytes(value[offset]);
    const protocolAt = offset + 1 + 2 * length;
    const protocol = value[protocolAt];
    if (length === 0 || protocol === undefined || ranges.length === maxEntries) return undefined;
    const range = {
      from: Buffer.from(value.subarray(offset + 1, offset + 1 + length)),
      to: Buffer.from(value.subarray(offset + 1 + length, protocolAt)),
      protocol,
    };
    if (range.from.compare(range.to) > 0 || !follows(ranges.at(-1), range)) return undefined;
    ranges.push(range);
    offset = protocolAt + 1;
  }
  return ranges;
};

const follows = (before: AddressRange | undefined, range: AddressRange): boolean => {
  if (before === undefined || before.from.length < range.from.length) return true;
  if (before.from.length > range.from.length || before.protocol > range.protocol) return false;
  return before.protocol < range.protocol || before.to.compare(range.from) < 0;
};

const encodeAddress = ({ requestId, address, prefixBits }: AssignedAddress): Buffer => {
  const id = Buffer.alloc(varintBytes(requestId));
  writeVarint(id, 0, requestId);
  return Buffer.concat([id, Buffer.of(versionOf(address)), address, Buffer.of(prefixBits)]);
};

const parseAddresses = (value: Buffer): AssignedAddress[] | undefined => {
  const addresses: AssignedAddress[] = [];
  for (let offset = 0; offset < value.length; ) {
    const id = readVarint(value, offset);
    if (!id) return undefined;
    const length = addressBytes(value[id.end]);
    const prefixBits = value[id.end + 1 + length];
    if (length === 0 || prefixBits === undefined || addresses.length === maxEntries) {
      return undefined;
    }
    const address = Buffer.from(value.subarray(id.end + 1, id.end + 1 + length));
    if (prefixBits > 8 * length || hasBitsAfter(address, prefixBits)) return undefined;
    addresses.push({ requestId: id.value, address, prefixBits });
    offset = id.end + 2 + length;
  }
  return addresses;
};

/** Section 4.7.1: the bits of the address that the prefix does not cover are 0. */
const hasBitsAfter = (address: Buffer, prefixBits: number): boolean =>
  address.some((byte, i) => (byte & (0xff >> Math.max(0, Math.min(8, prefixBits - 8 * i)))) !== 0);

const versionOf = (address: Buffer): number => (address.length === 4 ? 4 : 6);

const addressBytes = (version: number | undefined): 0 | 4 | 16 =>
  version === 4 ? 4 : version === 6 ? 16 : 0;
