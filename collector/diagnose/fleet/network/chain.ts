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
  site: string,
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
    .map((hop) => nodeOf(hop, site));
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

/** The device's own router: the first hop, with an address only its own network knows. */
export const isGatewayHop = (hop: { ttl: number; address: string | null }): boolean =>
  hop.ttl === 1 && hop.address !== null && isPrivate(hop.address);

/** Private addresses at the first hop mean another router in each site. */
const nodeOf = (hop: Hop, site: string): ChainNode => {
  const address = hop.address as string;
  const key = isGatewayHop(hop) ? `${site}/${address}` : address;
  return { key, address, name: address, asn: hop.asn, ttl: hop.ttl };
};

const privateRanges = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe80:)/i;

const isPrivate = (address: string): boolean => privateRanges.test(address);
