import type { PathProbePacket, PathProtocol } from './messages.ts';

/** Hops asked at once where it is not known how far the target is. */
const windowHops = 8;
/** Beyond the last known distance: a route that became a little longer is still seen whole. */
const spareHops = 2;
/** As mtr: after so many silent hops in a row nothing more is expected. */
const silentRunHops = 5;
/** Routers rate-limit what they say about expired TTLs: after three rounds, slow down. */
const quickRounds = 3;
const slowRoundMs = 300;
const quickRoundMs = 20;

export type Distance = {
  knownHopCount: number | null;
  maxHops: number;
  protocol?: PathProtocol;
};

/** How far the first burst of the first round goes. */
export const firstBurst = ({ knownHopCount, maxHops, protocol }: Distance): number => {
  if (knownHopCount === null) return Math.min(maxHops, windowHops);
  // Two SYNs of one flow at once confuse the connection tracking of gateways on the way.
  return Math.min(maxHops, knownHopCount + (protocol === 'tcp' ? 0 : spareHops));
};

/** How far the next burst of the first round goes; null once there is nothing further to ask. */
export const nextBurst = (
  packets: readonly PathProbePacket[],
  askedHops: number,
  maxHops: number,
  isSerial = false,
): number | null => {
  if (endHop(packets) !== null || askedHops >= maxHops) return null;
  if (!isSerial) return Math.min(maxHops, askedHops + windowHops);
  return askedHops - lastAnswering(packets) >= silentRunHops ? null : askedHops + 1;
};

/** How far later rounds go. */
export const laterRound = (packets: readonly PathProbePacket[], distance: Distance): number => {
  const end = endHop(packets);
  if (end !== null) return end;
  const known = distance.knownHopCount ?? 0;
  return Math.min(distance.maxHops, Math.max(known, lastAnswering(packets) + silentRunHops));
};

/** Rounds 1–3 follow each other as answers come; from then on a hop is asked every 300 ms at most. */
export const roundGapMs = (round: number): { leastMs: number; mostMs: number } =>
  round < quickRounds
    ? { leastMs: quickRoundMs, mostMs: slowRoundMs }
    : { leastMs: slowRoundMs, mostMs: slowRoundMs };

/** The first TTL at which the target answered, or a router said that it cannot deliver. */
export const endHop = (packets: readonly PathProbePacket[]): number | null => {
  const ends = packets
    .filter(({ answer }) => answer?.kind === 'target' || answer?.kind === 'unreachable')
    .map(({ ttl }) => ttl);
  return ends.length === 0 ? null : Math.min(...ends);
};

export const wasSilent = (packets: readonly PathProbePacket[], ttl: number): boolean =>
  packets.every((packet) => packet.ttl !== ttl || packet.answer === null);

/** Slower than the slowest so far by this factor is not to be expected; never less than the floor. */
const patienceFactor = 3;
const patienceFloorMs = 150;

/**
 * How long it is worth to wait for what is outstanding; null: to its timeout. A hop that is silent
 * keeps nobody waiting once the target has answered; the target's own answers get all the time
 * there is, as a missing one is loss.
 */
export const patienceMs = (
  packets: readonly PathProbePacket[],
  unknown: ReadonlySet<PathProbePacket>,
): number | null => {
  const end = endHop(packets);
  if (end === null) return null;
  for (const packet of unknown) if (packet.ttl === end) return null;
  const slowestMs = packets.reduce(
    (most, { answer }) => (answer && 'rttMs' in answer ? Math.max(most, answer.rttMs) : most),
    0,
  );
  return Math.max(patienceFloorMs, patienceFactor * slowestMs);
};

export const lastAnswering = (packets: readonly PathProbePacket[]): number =>
  packets.reduce(
    (last, { ttl, answer }) => (answer !== null && 'rttMs' in answer ? Math.max(last, ttl) : last),
    0,
  );
