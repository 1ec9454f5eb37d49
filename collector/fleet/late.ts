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
/** Looked at by one tick; the next one goes on from there. */
const batchesAtOnce = 2_000;

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

export type LateReadings = {
  portions: AsyncGenerator<Reading[]>;
  /** Up to which time of storing all batches are in it. */
  readAt: number;
};

/** The tick's part: readings that came after their bin was closed, of batches stored in a range. */
export const readLate = async (
  parts: { store: Store; rows: Pick<EngineRows, 'late'> },
  wanted: { afterMs: number; untilMs: number; closedMs: number; members: Members },
): Promise<LateReadings> => {
  const found = await parts.rows.late(wanted, batchesAtOnce);
  const isAll = found.length < batchesAtOnce;
  return {
    portions: portionsOf(parts.store, found, wanted),
    readAt: isAll ? wanted.untilMs : (found.at(-1)?.storedAt ?? wanted.untilMs),
  };
};

async function* portionsOf(
  store: Store,
  batches: readonly LateBatch[],
  { closedMs, members }: { closedMs: number; members: Members },
): AsyncGenerator<Reading[]> {
  const deviceIds = members.deviceIds === null ? null : new Set(members.deviceIds);
  for (const { role, sender, fromAt, offsetsMs } of batches) {
    const known = role === 'device' ? deviceIds : members.edgeIds && new Set(members.edgeIds);
    if (known !== null && !known.has(sender)) continue;
    // What lies after is read with its own bin.
    const times = new Set(offsetsMs.map((offsetMs) => fromAt + offsetMs));
    const range = { fromMs: fromAt, toMs: Math.min(Math.max(...times) + 1, closedMs) };
    if (range.fromMs >= range.toMs) continue;
    const own = {
      deviceIds: role === 'device' ? [sender] : [],
      edgeIds: role === 'edge' ? [sender] : [],
    };
    for await (const readings of readBin(store, range, own)) {
      yield readings.filter(({ timeMs }) => times.has(timeMs));
    }
  }
}
