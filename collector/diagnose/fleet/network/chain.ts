import type { TraceView } from '../bin-view.ts';

/** A hop that paths are told apart by, or the end of a path. */
export type ChainNode = {
  /** The same on every path through it. */
  key: string;
  address: string | null;
  name: string;
  asn: number | null;
  /** Position on this path: it and all later hops are shifted by a fault before it. */
  ttl: number;
};

type Hop = TraceView['hops'][number];

/** Where a path begins: its site, and the access network and region that serve it, where known. */
export type Origin = { site: string; network: string | null };

/** A hop that answers more seldom does not split a path, nor one that scatters more. */
const leastAnswers = 0.2;
const largestScaleMs = 5;
/** Hops of one network closer than this answer from the end of one MPLS tunnel. */
const sameRoundTripMs = 1.2;

/**
 * Known hops of a path in order, stable from bin to bin, and its end. Left out: silent and noisy hops,
 * those without a past, all but the last of a run that answers from one place, and the gateway, which
 * is measured by itself.
 */
export const chainOf = (
  trace: TraceView | null,
  origin: Origin,
  end: ChainNode,
  leavesSite: boolean,
): { nodes: ChainNode[]; reached: boolean } => {
  const hops = trace?.hops ?? [];
  const last = hops.at(-1);
  const reached =
    trace?.rtt !== null && trace !== null && last !== undefined && last.address !== null;
  const between = reached ? hops.slice(0, -1) : hops;
  const known = between.filter((hop) => splits(hop) && !(leavesSite && isGatewayHop(hop)));
  const nodes = known
    .filter((hop, at) => !merges(hop, known[at + 1]))
    .map((hop) => nodeOf(hop, keyIn(hop, between, origin)));
  const ttl = reached ? last.ttl : end.ttl;
  return {
    nodes: [...nodes, { ...end, ttl, address: end.address ?? addressAt(reached, last) }],
    reached,
  };
};

const addressAt = (reached: boolean, last: Hop | undefined): string | null =>
  reached ? (last?.address ?? null) : null;

const splits = (hop: Hop): boolean => {
  if (hop.address === null || hop.answers < leastAnswers) return false;
  if (hop.delta === null) return hop.receivedCount === 0;
  return hop.delta.ready && hop.delta.scaleMs <= largestScaleMs;
};

const merges = (hop: Hop, next: Hop | undefined): boolean =>
  next !== undefined &&
  hop.asn !== null &&
  hop.asn === next.asn &&
  hop.delta !== null &&
  next.delta !== null &&
  Math.abs(hop.delta.normalMs - next.delta.normalMs) < sameRoundTripMs;

/**
 * The device's own router: the first hop, with an address only its own network knows, or one of
 * version 6, whose every link has a prefix of its own.
 */
export const isGatewayHop = (hop: { ttl: number; address: string | null }): boolean =>
  hop.ttl === 1 && hop.address !== null && (isPrivate(hop.address) || hop.address.includes(':'));

const nodeOf = (hop: Hop, key: string): ChainNode => {
  const address = hop.address as string;
  return { key, address, name: address, asn: hop.asn, ttl: hop.ttl };
};

/**
 * The same address is another router in each network that numbers for itself: in each site (RFC 1918)
 * before the first public hop, in each provider (RFC 6598), and behind a public hop wherever that leads.
 */
const keyIn = (hop: Hop, hops: readonly Hop[], { site, network }: Origin): string => {
  const address = hop.address as string;
  const isShared = carrierRange.test(address);
  if (!isShared && !isPrivate(address)) return address;
  if (hop.asn !== null) return `AS${hop.asn}/${address}`;
  const before = hops.findLast((one) => one.ttl < hop.ttl && isPublic(one));
  if (before !== undefined) return `${before.address}/${address}`;
  return `${isShared && network !== null ? network : site}/${address}`;
};

const isPublic = ({ address }: Hop): boolean =>
  address !== null && !isPrivate(address) && !carrierRange.test(address);

const privateRanges = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe80:)/i;
/** 100.64.0.0/10: between a provider and its customers. */
const carrierRange = /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;

const isPrivate = (address: string): boolean => privateRanges.test(address);
