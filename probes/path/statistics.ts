import { createHash } from 'node:crypto';
import type { Hop, HopBranch, PathBody } from '#contract/body/path.ts';
import { isClearlyFewer } from './clearly-fewer.ts';
import type { PathAnswer, PathProbePacket } from './messages.ts';
import { endHop, lastAnswering } from './strategy.ts';

type Answered = Extract<PathAnswer, { rttMs: number }>;

/** What hops said, as the contract has it: nothing beyond the target or the last hop that answered. */
export const hopsOf = (packets: readonly PathProbePacket[]): Hop[] => {
  const last = endHop(packets) ?? lastAnswering(packets);
  const hops = Array.from({ length: last }, (_, index) => hopAt(index + 1, packets));
  const withStates = markStates(hops, targetRoundTrips(packets).rttsMs);
  return withBranches(withStates, packets);
};

const hopAt = (ttl: number, packets: readonly PathProbePacket[]): Hop => {
  const sent = packets.filter((packet) => packet.ttl === ttl && packet.answer?.kind !== 'unsent');
  const answers = sent.flatMap(({ answer }) => (isAnswered(answer) ? [answer] : []));
  const rttsMs = answers.map(({ rttMs }) => rttMs).sort((a, b) => a - b);
  return {
    ttl,
    address: mostFrequent(answers.map(({ address }) => address)),
    sentCount: sent.length,
    receivedCount: answers.length,
    rttMinMs: rttsMs[0] ?? null,
    rttMedianMs: median(rttsMs),
    rttMaxMs: rttsMs.at(-1) ?? null,
  };
};

const isAnswered = (answer: PathAnswer | null): answer is Answered =>
  answer !== null && 'rttMs' in answer;

/** Load balancers may show several addresses at one TTL: the one seen most stands for it. */
const mostFrequent = (addresses: readonly string[]): string | null => {
  const counts = new Map<string, number>();
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? null;
};

/**
 * A hop that answers clearly less often than something behind it lets through what it does not
 * answer: its silence is its own. Where the difference may be chance, what is missing may be loss.
 */
const markStates = (hops: readonly Hop[], targetRtts: readonly (number | null)[]): Hop[] => {
  const target = {
    answered: targetRtts.filter((rttMs) => rttMs !== null).length,
    sent: targetRtts.length,
  };
  const shares = hops.map((hop) => ({ answered: hop.receivedCount, sent: hop.sentCount }));
  return hops.map((hop, index) => {
    const [own, ...behind] = shares.slice(index);
    const isLimited = own !== undefined && isClearlyFewer(own, [...behind, target]);
    const state = hop.receivedCount === 0 ? 'silent' : isLimited ? 'limited' : 'answering';
    return { ...hop, state };
  });
};

/** By the flows that show each address: how they fare end to end. */
const withBranches = (hops: readonly Hop[], packets: readonly PathProbePacket[]): Hop[] => {
  const flows = byFlow(packets);
  if (flows.length < 2) return [...hops];
  const ends = flows.map((flow) => targetRoundTrips(flow).rttsMs);
  return hops.map((hop) => {
    const seen = flows.map((flow) => addressesAt(hop.ttl, flow));
    const addresses = [...new Set(seen.flat())];
    if (addresses.length < 2) return hop;
    const branches = addresses
      .map((address) =>
        branchAt(
          hop.ttl,
          address,
          packets,
          ends.filter((_, flow) => seen[flow]?.includes(address)),
        ),
      )
      .sort((a, b) => b.flowCount - a.flowCount || a.address.localeCompare(b.address));
    return { ...hop, branches };
  });
};

const branchAt = (
  ttl: number,
  address: string,
  packets: readonly PathProbePacket[],
  ends: readonly (readonly (number | null)[])[],
): HopBranch => {
  const ownRtts = packets
    .flatMap((packet) =>
      packet.ttl === ttl && isAnswered(packet.answer) && packet.answer.address === address
        ? [packet.answer.rttMs]
        : [],
    )
    .sort((a, b) => a - b);
  const endRtts = ends.flat();
  const { lossRatio, rttMedianMs } = endToEndOf(endRtts);
  return {
    address,
    flowCount: ends.length,
    rttMinMs: ownRtts[0] ?? null,
    rttMedianMs: median(ownRtts),
    pathSentCount: endRtts.length,
    pathLossRatio: lossRatio,
    pathRttMedianMs: rttMedianMs,
  };
};

const byFlow = (packets: readonly PathProbePacket[]): PathProbePacket[][] => {
  const flows = new Map<number, PathProbePacket[]>();
  for (const packet of packets) {
    const known = flows.get(packet.flow);
    if (known === undefined) flows.set(packet.flow, [packet]);
    else known.push(packet);
  }
  return [...flows.values()];
};

const addressesAt = (ttl: number, packets: readonly PathProbePacket[]): string[] => [
  ...new Set(
    packets.flatMap(({ ttl: at, answer }) =>
      at === ttl && isAnswered(answer) ? [answer.address] : [],
    ),
  ),
];

/**
 * Round trips to the target in the order sent, null for a lost one: the probes with just enough TTL
 * to get there. What hops on the way did or did not answer has no part in it.
 */
export const targetRoundTrips = (
  packets: readonly PathProbePacket[],
): { reached: boolean; rttsMs: (number | null)[] } => {
  const flows = byFlow(packets).map(flowRoundTrips);
  return {
    reached: flows.some(({ reached }) => reached),
    rttsMs: flows.flatMap(({ rttsMs }) => rttsMs),
  };
};

const flowRoundTrips = (packets: readonly PathProbePacket[]) => {
  const targetTtls = packets
    .filter(({ answer }) => answer?.kind === 'target')
    .map(({ ttl }) => ttl);
  const reached = targetTtls.length > 0;
  const furthest = packets.reduce((most, packet) => Math.max(most, packet.ttl), 0);
  const ttl = reached ? Math.min(...targetTtls) : furthest;
  const rttsMs = packets
    .filter((packet) => packet.ttl === ttl && packet.answer?.kind !== 'unsent')
    .map(({ answer }) => (answer?.kind === 'target' ? answer.rttMs : null));
  return { reached, rttsMs };
};

type EndToEnd = Pick<PathBody, 'rttMinMs' | 'rttMedianMs' | 'jitterMs' | 'lossRatio'>;

export const endToEndOf = (rttsMs: readonly (number | null)[]): EndToEnd => {
  const answered = rttsMs.filter((rttMs) => rttMs !== null);
  const sorted = [...answered].sort((a, b) => a - b);
  return {
    rttMinMs: sorted[0] ?? null,
    rttMedianMs: median(sorted),
    jitterMs: jitter(answered),
    lossRatio: rttsMs.length === 0 ? null : 1 - answered.length / rttsMs.length,
  };
};

const median = (sorted: readonly number[]): number | null => {
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2;
};

const jitter = (answered: readonly number[]): number | null => {
  if (answered.length < 2) return null;
  const differences = answered
    .slice(1)
    .map((rttMs, index) => Math.abs(rttMs - (answered[index] ?? 0)));
  return differences.reduce((sum, value) => sum + value, 0) / differences.length;
};

/** A hop that is silent in one run and answers in the next does change it: it says what was seen. */
export const routeHashOf = (hops: readonly Hop[]): string | null => {
  const addresses = hops.flatMap(({ address }) => (address === null ? [] : [address]));
  if (addresses.length === 0) return null;
  return createHash('sha256').update(addresses.join(' ')).digest('hex').slice(0, 16);
};
