import { isIP } from 'node:net';
import { normalHost } from '#contract/host-pattern.ts';

/** Which names the device's programs were told an address for. */
export type Names = {
  /** From an answer of a name server. */
  remember(name: string, address: string, ttlS: number): void;
  /** The name last asked for that led to this address. */
  nameOf(address: string): string | undefined;
  /**
   * All that led to this address, the latest first. Where they were too many to know them all, the
   * address itself comes last: it stands for the others.
   */
  namesOf(address: string): readonly string[];
  /** Whether a program was told that this name is at this address. */
  leads(name: string, address: string): boolean;
  /** An address that stands for a name nobody outside can resolve. */
  standIn(name: string): string;
  isStandIn(address: string): boolean;
};

/** Programs keep addresses for longer than they were told to: browsers a minute, Java for ever. */
const leastKeptMs = 600_000;
const longestKeptMs = 86_400_000;
const maxAddresses = 20_000;
const maxNamesAnAddress = 16;

/** Bounded: the addresses unused for longest go first. */
export const createNames = (now: () => number = () => performance.now()): Names => {
  const byAddress = new Map<string, Map<string, number>>();
  /** Addresses that had more names than are kept, and until when. */
  const crowded = new Map<string, number>();
  const standIns = createStandIns();

  const remember = (name: string, address: string, ttlS: number): void => {
    const key = normalHost(address);
    const names = byAddress.get(key) ?? new Map<string, number>();
    byAddress.delete(key);
    byAddress.set(key, names);
    dropFirst(byAddress, maxAddresses);
    const host = normalHost(name);
    names.delete(host);
    names.set(host, now() + Math.min(longestKeptMs, Math.max(leastKeptMs, ttlS * 1_000)));
    if (names.size <= maxNamesAnAddress) return;
    const [until = 0] = names.values();
    dropFirst(names, maxNamesAnAddress);
    crowded.set(key, Math.max(crowded.get(key) ?? 0, until));
    dropFirst(crowded, maxAddresses);
  };
  const namesOf = (address: string): string[] => {
    const names = byAddress.get(normalHost(address));
    if (names === undefined) return [];
    for (const [name, until] of names) if (until <= now()) names.delete(name);
    return [...names.keys()];
  };
  return {
    remember,
    namesOf: (address) => {
      const names = namesOf(address).reverse();
      const isCrowded = (crowded.get(normalHost(address)) ?? 0) > now();
      return names.length > 0 && isCrowded ? [...names, normalHost(address)] : names;
    },
    nameOf: (address) => standIns.nameOf(address) ?? namesOf(address).at(-1),
    leads: (name, address) =>
      standIns.nameOf(address) === normalHost(name) || namesOf(address).includes(normalHost(name)),
    standIn: standIns.of,
    isStandIn: standIns.includes,
  };
};

const dropFirst = (map: Map<string, unknown>, max: number): void => {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
};

/** 198.18.0.0/15 is for benchmarks (RFC 2544) and routed nowhere. */
const standInCount = 2 ** 17;

/**
 * The same address for a name as long as there is room: what a program still knows after the agent
 * was started again is right when the name is asked for once more.
 */
const createStandIns = () => {
  const nameAt = new Map<number, string>();
  const placeOf = new Map<string, number>();
  const includes = (address: string): boolean => /^198\.1[89]\./.test(address);
  return {
    includes,
    of: (name: string): string => {
      const host = normalHost(name);
      let place = placeOf.get(host);
      if (place === undefined) {
        place = hash(host) % standInCount;
        for (let tries = 0; nameAt.has(place) && tries < 64; tries++) {
          place = (place + 1) % standInCount;
        }
        const before = nameAt.get(place);
        if (before !== undefined) placeOf.delete(before);
        nameAt.set(place, host);
        placeOf.set(host, place);
      }
      return `198.${18 + (place >> 16)}.${(place >> 8) & 255}.${place & 255}`;
    },
    nameOf: (address: string): string | undefined => {
      if (isIP(address) !== 4 || !includes(address)) return undefined;
      const [, b = 0, c = 0, d = 0] = address.split('.').map(Number);
      return nameAt.get(((b - 18) << 16) | (c << 8) | d);
    },
  };
};

/** FNV-1a, 32 bits. */
const hash = (text: string): number => {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
};
