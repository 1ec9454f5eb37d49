import type { VoiceBody, VoiceDirection } from '#contract/body/voice.ts';
import { mosOf, ratingOf } from './e-model.ts';
import type { ReceivedPacket, SentPacket, Stream } from './stream.ts';

export type FigureOptions = {
  playoutMs: number;
  intervalMs: number;
  /** The reflector is one of ours, which counts for itself what it sends back. */
  isStateful: boolean;
};

export type VoiceFigures = Omit<
  VoiceBody,
  'target' | 'port' | 'address' | 'packetBytes' | 'packetsPerSecond' | 'playoutMs'
>;

/** What a call over this stream would have been like. Pure. */
export const figuresOf = (
  { sent, received, unkeptCount }: Stream,
  options: FigureOptions,
): VoiceFigures => {
  const first = firstAnswers(received);
  const rtts = first.map((packet) => roundTripMs(packet, sent)).sort((a, b) => a - b);
  const up = transits(first, sent, 'up');
  const down = transits(first, sent, 'down');
  const late = { up: lateOf(up, options.playoutMs), down: lateOf(down, options.playoutMs) };
  const losses = lossByDirection(sent.length, received, first.length, options.isStateful);
  const unusable = unusableRuns(sent.length, first, new Set([...late.up, ...late.down]));
  const delayMs = (middle(rtts) ?? 0) / 2 + options.playoutMs + options.intervalMs;
  const judge = (
    which: 'up' | 'down',
    all: readonly Transit[],
  ): VoiceDirection & { rating: number } => {
    const lateRatio = ratio(late[which].size, sent.length);
    // Where it is not known which way a packet was lost, both are judged by all that were.
    const lost = losses?.[which] ?? sent.length - first.length;
    const lossRatio = Math.min(1, ratio(lost, sent.length) + lateRatio);
    const rating = ratingOf({
      delayMs,
      lossRatio,
      burstRatio: burstRatioOf(unusable, sent.length),
    });
    return {
      lossRatio: losses === null ? null : ratio(losses[which], sent.length),
      lateRatio,
      jitterMs: jitterOf(all),
      mos: mosOf(rating),
      rating: Math.min(100, Math.max(0, rating)),
    };
  };
  const directions =
    first.length === 0 ? undefined : { up: judge('up', up), down: judge('down', down) };
  const rating = directions && Math.min(directions.up.rating, directions.down.rating);
  return {
    sentCount: sent.length,
    receivedCount: first.length,
    duplicateCount: received.length - first.length + unkeptCount,
    reorderedCount: reorderedOf(first),
    lossRatio: sent.length === 0 ? null : ratio(sent.length - first.length, sent.length),
    longestLossCount: unusableRuns(sent.length, first, new Set()).reduce(
      (longest, length) => Math.max(longest, length),
      0,
    ),
    rttMinMs: rounded(rtts[0]),
    rttMedianMs: rounded(middle(rtts)),
    rttP95Ms: rounded(percentile(rtts, 0.95)),
    jitterMs: larger(directions?.up.jitterMs, directions?.down.jitterMs),
    lateRatio: directions ? ratio(new Set([...late.up, ...late.down]).size, sent.length) : null,
    up: directions ? withoutRating(directions.up) : null,
    down: directions ? withoutRating(directions.down) : null,
    rating: rating ?? null,
    mos: rating === undefined ? null : mosOf(rating),
    sendLateP95Ms: rounded(
      percentile(
        sent.map(({ lateMs }) => lateMs).sort((a, b) => a - b),
        0.95,
      ),
    ),
  };
};

const withoutRating = ({ rating: _, ...direction }: VoiceDirection & { rating: number }) =>
  direction;

/** In order of arrival, each packet once. */
const firstAnswers = (received: readonly ReceivedPacket[]): ReceivedPacket[] => {
  const seen = new Set<number>();
  return received.filter(({ sequence }) => !seen.has(sequence) && seen.add(sequence));
};

/** Without the time at the reflector, which is the difference of two readings of one clock. */
const roundTripMs = (packet: ReceivedPacket, sent: readonly SentPacket[]): number => {
  const { received, returned } = packet.reflectedAtMs;
  const total = packet.receivedAtMs - (sent[packet.sequence]?.sentAtMs ?? 0);
  return Math.max(0, total - Math.max(0, returned - received));
};

/** A packet's time in one direction, plus what the two clocks differ by: only differences count. */
type Transit = { sequence: number; transitMs: number };

/** In the order of arrival at the end of that direction. */
const transits = (
  first: readonly ReceivedPacket[],
  sent: readonly SentPacket[],
  which: 'up' | 'down',
): Transit[] =>
  which === 'down'
    ? first.map(({ sequence, receivedAtMs, reflectedAtMs }) => ({
        sequence,
        transitMs: receivedAtMs - reflectedAtMs.returned,
      }))
    : first
        .toSorted((a, b) => a.reflectedAtMs.received - b.reflectedAtMs.received)
        .map(({ sequence, reflectedAtMs }) => ({
          sequence,
          transitMs: reflectedAtMs.received - (sent[sequence]?.sentAtMs ?? 0),
        }));

/** Later than the fastest by more than a buffer of fixed length would wait. */
const lateOf = (all: readonly Transit[], playoutMs: number): Set<number> => {
  const fastest = all.reduce((least, { transitMs }) => Math.min(least, transitMs), Infinity);
  return new Set(
    all.filter(({ transitMs }) => transitMs - fastest > playoutMs).map(({ sequence }) => sequence),
  );
};

/** RFC 3550 section 6.4.1: J += (|D| - J) / 16; here the mean of J, as its last value is of one moment. */
const jitterOf = (all: readonly Transit[]): number | null => {
  let jitterMs = 0;
  let sumMs = 0;
  for (const [i, { transitMs }] of all.entries()) {
    if (i === 0) continue;
    jitterMs += (Math.abs(transitMs - (all[i - 1]?.transitMs ?? 0)) - jitterMs) / 16;
    sumMs += jitterMs;
  }
  return all.length < 2 ? null : rounded(sumMs / (all.length - 1));
};

/**
 * A reflector that counts by itself tells on which way packets were lost: its highest count is what
 * reached it. Those lost at the very end are put down to the way up. Null: it does not count, or
 * may not.
 */
const lossByDirection = (
  sentCount: number,
  received: readonly ReceivedPacket[],
  answeredCount: number,
  isStateful: boolean,
): { up: number; down: number } | null => {
  const lostCount = sentCount - answeredCount;
  if (lostCount === 0) return { up: 0, down: 0 };
  const doesCount = isStateful || received.some((one) => one.reflectorSequence !== one.sequence);
  if (!doesCount || received.length === 0) return null;
  const reachedCount = 1 + received.reduce((most, one) => Math.max(most, one.reflectorSequence), 0);
  const up = Math.min(lostCount, Math.max(0, sentCount - reachedCount));
  return { up, down: lostCount - up };
};

/** RFC 4737 section 3.4: smaller than the next that was expected. */
const reorderedOf = (first: readonly ReceivedPacket[]): number => {
  let expected = 0;
  let count = 0;
  for (const { sequence } of first) {
    if (sequence < expected) count += 1;
    else expected = sequence + 1;
  }
  return count;
};

/** Lengths of the runs of packets that were lost (or were among `late`), one after the other. */
const unusableRuns = (
  sentCount: number,
  first: readonly ReceivedPacket[],
  late: ReadonlySet<number>,
): number[] => {
  const usable = new Set(first.map(({ sequence }) => sequence));
  const runs: number[] = [];
  let length = 0;
  for (let sequence = 0; sequence <= sentCount; sequence++) {
    const isLost = sequence < sentCount && (!usable.has(sequence) || late.has(sequence));
    if (isLost) length += 1;
    else if (length > 0) length = runs.push(length) * 0;
  }
  return runs;
};

/** G.107 section 7.5: mean length of a burst, over 1 / (1 - p), what chance would make it. */
const burstRatioOf = (runs: readonly number[], sentCount: number): number => {
  const lostCount = runs.reduce((sum, length) => sum + length, 0);
  if (lostCount === 0 || lostCount === sentCount) return 1;
  return (lostCount / runs.length) * (1 - lostCount / sentCount);
};

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

const middle = (sorted: readonly number[]): number | undefined => {
  const half = sorted.length / 2;
  if (sorted.length === 0) return undefined;
  const upper = sorted[Math.floor(half)] ?? 0;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? 0) + upper) / 2 : upper;
};

/** Nearest rank. */
const percentile = (sorted: readonly number[], share: number): number | undefined =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];

const larger = (a: number | null | undefined, b: number | null | undefined): number | null =>
  a === null || a === undefined || b === null || b === undefined ? null : Math.max(a, b);

/** To the microsecond. */
const rounded = (ms: number | undefined): number | null =>
  ms === undefined ? null : Math.round(ms * 1_000) / 1_000;
