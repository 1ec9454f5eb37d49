import { randomUUID } from 'node:crypto';
import type { Reading } from '#collector/diagnose/fleet/reading.ts';
import type { EngineRows, LateBatch } from '../control/engine-rows.ts';
import type { Identity } from '../control/fleet.ts';
import type { Store } from '../store/store.ts';
import type { BinClock } from './bin-clock.ts';
import { readBin } from './read-bin.ts';
import type { Members } from './shards.ts';

/** What is later than this is kept and shown, but no normal is learnt from it. */
export const lateWithinMs = 86_400_000;
/** Looked at in one go, and of one sender by one tick: what is beyond that is passed over. */
const batchesAtOnce = 200;
const batchesOfSender = 50;
/** Stretches read of one sender: a spool is one, or a few where the device slept. */
const stretchesOfSender = 32;
/** Senders whose stretches begin and end this near to each other are read together. */
const togetherBins = 2;

/**
 * Ingest's part: of a batch that is stored notes the times that lie in bins which may be closed
 * already, so that the tick finds just these rows among those that came in time.
 */
export const createLateNotes =
  (rows: Pick<EngineRows, 'noteLate'>, clock: BinClock) =>
  async (sender: Identity, times: readonly number[], storedAt: number): Promise<void> => {
    const closedMs = clock.endOf(clock.newestClosed(storedAt));
    const late = [...new Set(times)]
      .filter((timeMs) => timeMs < closedMs && timeMs > storedAt - lateWithinMs)
      .sort((a, b) => a - b);
    const [fromAt] = late;
    if (fromAt === undefined) return;
    await rows.noteLate({
      id: randomUUID(),
      role: sender.role,
      sender: sender.id,
      fromAt,
      offsetsMs: late.map((timeMs) => timeMs - fromAt),
      storedAt,
    });
  };

type LateWanted = {
  afterMs: number;
  untilMs: number;
  /** Its bin was read before the batch was stored. */
  isLate(timeMs: number, storedAt: number): boolean;
  /** Batches that were looked at before; those found are added. */
  seen: Map<string, number>;
  members: Members;
};

/** `readAt`: up to which time of storing all batches have been looked at, once `portions` is read. */
type LateChunk = { portions: AsyncGenerator<Reading[]>; readAt: number };

/**
 * The tick's part: readings that came after their bin was closed, of batches stored in a range, a
 * bounded amount at a time. Who reads them stops when enough time is spent and goes on there later.
 */
export async function* readLate(
  parts: { store: Store; rows: Pick<EngineRows, 'late'>; binMs: number },
  wanted: LateWanted,
): AsyncGenerator<LateChunk> {
  const bySender = new Map<string, number>();
  let { afterMs } = wanted;
  while (afterMs < wanted.untilMs) {
    const { batches, readAt } = await parts.rows.late(
      { afterMs, untilMs: wanted.untilMs, members: wanted.members },
      { batches: batchesAtOnce, ofSender: batchesOfSender },
    );
    const fresh = batches.filter((batch) => isFresh(batch, wanted.seen, bySender));
    for (const { id, storedAt } of fresh) wanted.seen.set(id, storedAt);
    const stretches = stretchesOf(fresh, wanted, parts.binMs);
    yield { portions: portionsOf(parts, stretches), readAt };
    afterMs = readAt;
  }
}

const isFresh = (
  { id, role, sender }: LateBatch,
  seen: ReadonlyMap<string, number>,
  bySender: Map<string, number>,
): boolean => {
  if (seen.has(id)) return false;
  const count = (bySender.get(`${role} ${sender}`) ?? 0) + 1;
  bySender.set(`${role} ${sender}`, count);
  return count <= batchesOfSender;
};

/** Times of one sender without a gap of more than a bin. */
type Stretch = SenderTimes & Range;
type SenderTimes = { role: LateBatch['role']; sender: string; times: Set<number> };
type Range = { fromMs: number; toMs: number };

const stretchesOf = (
  batches: readonly LateBatch[],
  { isLate }: LateWanted,
  binMs: number,
): Stretch[] => {
  const senders = new Map<string, SenderTimes>();
  for (const { role, sender, fromAt, offsetsMs, storedAt } of batches) {
    const one = senders.get(`${role} ${sender}`) ?? { role, sender, times: new Set() };
    senders.set(`${role} ${sender}`, one);
    for (const offsetMs of offsetsMs) {
      // What is not late is read with its own bin.
      if (isLate(fromAt + offsetMs, storedAt)) one.times.add(fromAt + offsetMs);
    }
  }
  return [...senders.values()].flatMap((one) => {
    const times = [...one.times].sort((a, b) => a - b);
    return mostFilled(cutAtGaps(times, binMs)).map((cut) => stretchOf(one, cut));
  });
};

const stretchOf = ({ role, sender }: SenderTimes, cut: readonly number[]): Stretch => ({
  role,
  sender,
  times: new Set(cut),
  fromMs: cut[0] ?? 0,
  toMs: (cut.at(-1) ?? 0) + 1,
});

const cutAtGaps = (times: readonly number[], binMs: number): number[][] => {
  const cuts: number[][] = [];
  for (const timeMs of times) {
    const newest = cuts.at(-1);
    if (newest !== undefined && timeMs - (newest.at(-1) ?? 0) <= binMs) newest.push(timeMs);
    else cuts.push([timeMs]);
  }
  return cuts;
};

const mostFilled = (cuts: number[][]): number[][] =>
  cuts.sort((a, b) => b.length - a.length).slice(0, stretchesOfSender);

async function* portionsOf(
  { store, binMs }: { store: Store; binMs: number },
  stretches: readonly Stretch[],
): AsyncGenerator<Reading[]> {
  for (const together of grouped(stretches, togetherBins * binMs)) {
    const of = (role: LateBatch['role']) => together.filter((one) => one.role === role);
    const times = { device: timesOf(of('device')), edge: timesOf(of('edge')) };
    const range = {
      fromMs: Math.min(...together.map(({ fromMs }) => fromMs)),
      toMs: Math.max(...together.map(({ toMs }) => toMs)),
    };
    const members = { deviceIds: [...times.device.keys()], edgeIds: [...times.edge.keys()] };
    for await (const readings of readBin(store, range, members)) {
      yield readings.filter((reading) => {
        const own =
          'deviceId' in reading
            ? times.device.get(reading.deviceId)
            : times.edge.get(reading.edgeId);
        return own?.some((set) => set.has(reading.timeMs)) ?? false;
      });
    }
  }
}

const timesOf = (stretches: readonly Stretch[]): Map<string, ReadonlySet<number>[]> => {
  const times = new Map<string, ReadonlySet<number>[]>();
  for (const one of stretches) times.set(one.sender, [...(times.get(one.sender) ?? []), one.times]);
  return times;
};

/** After an outage of a network all its devices send the same stretch. */
const grouped = (stretches: readonly Stretch[], nearMs: number): Stretch[][] => {
  const groups: { first: Stretch; all: Stretch[] }[] = [];
  const sorted = [...stretches].sort(
    (a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs || (a.sender < b.sender ? -1 : 1),
  );
  let open: typeof groups = [];
  for (const one of sorted) {
    open = open.filter(({ first }) => one.fromMs - first.fromMs <= nearMs);
    const near = open.find(({ first }) => Math.abs(one.toMs - first.toMs) <= nearMs);
    if (near !== undefined) near.all.push(one);
    else {
      const made = { first: one, all: [one] };
      groups.push(made);
      open.push(made);
    }
  }
  return groups.map(({ all }) => all);
};
