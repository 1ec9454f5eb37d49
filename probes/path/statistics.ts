import { createHash } from 'node:crypto';
import type { Hop, PathBody } from '#contract/result.ts';
import type { PathProbePacket } from './messages.ts';
import { endHop, lastAnswering } from './strategy.ts';

/** What hops said, as the contract has it: nothing beyond the target or the last hop that answered. */
export const hopsOf = (packets: readonly PathProbePacket[]): Hop[] => {
  const last = endHop(packets) ?? lastAnswering(packets);
  return Array.from({ length: last }, (_, index) => hopAt(index + 1, packets));
};

const hopAt = (ttl: number, packets: readonly PathProbePacket[]): Hop => {
  const sent = packets.filter((packet) => packet.ttl === ttl && packet.answer?.kind !== 'unsent');
  const answers = sent.flatMap(({ answer }) =>
    answer === null || answer.kind === 'unsent' ? [] : [answer],
  );
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

/** Load balancers may show several addresses at one TTL: the one seen most stands for it. */
const mostFrequent = (addresses: readonly string[]): string | null => {
  const counts = new Map<string, number>();
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? null;
};

/**
 * Round trips to the target in the order sent, null for a lost one: the probes with just enough TTL
 * to get there. What hops on the way did or did not answer has no part in it.
 */
export const targetRoundTrips = (
  packets: readonly PathProbePacket[],
): { reached: boolean; rttsMs: (number | null)[] } => {
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
