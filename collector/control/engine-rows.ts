import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { and, asc, eq, getTableColumns, gt, lt, lte, or, sql } from 'drizzle-orm';
import { gathered } from '../state/gathered.ts';
import { fleetCheckpoints, fleetShards, lateBatches } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type ShardRow = typeof fleetShards.$inferSelect;
export type LateBatch = typeof lateBatches.$inferSelect;

/** An engine as it was after `bin`; batches stored after `readAt` are not in it. */
export type Checkpoint = { binMs: number; bin: number; readAt: number; bytes: Uint8Array };

/** One row holds this much of an engine, so that no statement grows with the fleet. */
const partBytes = 8 * 1_024 * 1_024;

/** How far each shard is, its engine's checkpoints, and the batches that came late. */
export const createEngineRows = (db: Database) => ({
  async shard(name: string): Promise<ShardRow | undefined> {
    const [row] = await db.select().from(fleetShards).where(eq(fleetShards.shard, name));
    return row;
  },

  /** The right to go on from `known` until `workingUntil`; false: another took it meanwhile. */
  async take(
    name: string,
    known: ShardRow | undefined,
    by: { worker: string; workingUntil: number; binMs: number },
  ): Promise<boolean> {
    if (known === undefined) {
      const row = { shard: name, bin: -1, readAt: 0, deviceCount: 0, keptUntil: 0, ...by };
      const made = await db.insert(fleetShards).values(row).onConflictDoNothing().returning();
      return made.length === 1;
    }
    const taken = await db
      .update(fleetShards)
      // With bins of another width the count begins anew.
      .set({ ...by, ...(known.binMs === by.binMs ? {} : { bin: -1 }) })
      .where(
        and(
          eq(fleetShards.shard, name),
          eq(fleetShards.worker, known.worker),
          eq(fleetShards.bin, known.bin),
          eq(fleetShards.workingUntil, known.workingUntil),
        ),
      )
      .returning({ shard: fleetShards.shard });
    return taken.length === 1;
  },

  async keepWorking(name: string, by: { worker: string; workingUntil: number }): Promise<void> {
    await db
      .update(fleetShards)
      .set({ workingUntil: by.workingUntil })
      .where(and(eq(fleetShards.shard, name), eq(fleetShards.worker, by.worker)));
  },

  async saveCheckpoint(name: string, checkpoint: Checkpoint, savedAt: number): Promise<void> {
    const { bytes, ...about } = checkpoint;
    const parts: Uint8Array[] = [];
    for (let from = 0; from < bytes.length || from === 0; from += partBytes) {
      // Speed over size: it is written every few minutes.
      parts.push(await promisify(gzip)(bytes.subarray(from, from + partBytes), { level: 1 }));
    }
    await db.transaction(async (tx) => {
      await tx.execute(
        sql`select pg_advisory_xact_lock(hashtextextended(${`checkpoint:${name}`}, 0))`,
      );
      await tx.delete(fleetCheckpoints).where(eq(fleetCheckpoints.shard, name));
      for (const [part, packed] of parts.entries()) {
        const row = { shard: name, part, ...about, bytes: packed, savedAt };
        await tx.insert(fleetCheckpoints).values(row);
      }
    });
  },

  async hasCheckpoint(name: string): Promise<boolean> {
    const rows = await db
      .select({ part: fleetCheckpoints.part })
      .from(fleetCheckpoints)
      .where(eq(fleetCheckpoints.shard, name))
      .limit(1);
    return rows.length > 0;
  },

  async checkpoint(name: string): Promise<Checkpoint | undefined> {
    const rows = await db
      .select()
      .from(fleetCheckpoints)
      .where(eq(fleetCheckpoints.shard, name))
      .orderBy(asc(fleetCheckpoints.part));
    const [first] = rows;
    if (!first) return undefined;
    const parts: Uint8Array[] = [];
    for (const { bytes } of rows) parts.push(await promisify(gunzip)(bytes));
    const { binMs, bin, readAt } = first;
    return { binMs, bin, readAt, bytes: Buffer.concat(parts) };
  },

  noteLate: gathered(async (batches: readonly LateBatch[]): Promise<undefined[]> => {
    await db
      .insert(lateBatches)
      .values([...batches])
      .onConflictDoNothing();
    return batches.map(() => undefined);
  }),

  /**
   * Stored after one moment and until another, oldest first and never a part of a millisecond; of
   * more than `most.batches` the first, with the moment until which all are there.
   */
  async late(
    range: { afterMs: number; untilMs: number; members: LateMembers },
    most: { batches: number; ofSender: number },
  ): Promise<{ batches: LateBatch[]; readAt: number }> {
    const found = await lateIn(db, range, most.ofSender, most.batches + 1);
    const last = found.at(-1);
    if (last === undefined || found.length <= most.batches) {
      return { batches: found, readAt: range.untilMs };
    }
    const whole = found.filter(({ storedAt }) => storedAt < last.storedAt);
    const readAt = whole.at(-1)?.storedAt;
    if (readAt !== undefined) return { batches: whole, readAt };
    const moment = { ...range, afterMs: last.storedAt - 1, untilMs: last.storedAt };
    return { batches: await lateIn(db, moment, most.ofSender), readAt: last.storedAt };
  },

  async deleteBefore(before: { checkpointsMs: number; lateMs: number }): Promise<void> {
    await db.delete(fleetCheckpoints).where(lt(fleetCheckpoints.savedAt, before.checkpointsMs));
    await db.delete(fleetShards).where(lt(fleetShards.keptUntil, before.checkpointsMs));
    await db.delete(lateBatches).where(lt(lateBatches.storedAt, before.lateMs));
  },
});

/** Whose batches; `null`: everybody's. */
type LateMembers = { deviceIds: readonly string[] | null; edgeIds: readonly string[] | null };

const lateIn = async (
  db: Database,
  { afterMs, untilMs, members }: { afterMs: number; untilMs: number; members: LateMembers },
  ofSender: number,
  limit?: number,
): Promise<LateBatch[]> => {
  const inOrder = sql`partition by ${lateBatches.role}, ${lateBatches.sender}
    order by ${lateBatches.storedAt}, ${lateBatches.id}`;
  const ranked = db
    .select({
      ...getTableColumns(lateBatches),
      place: sql<number>`row_number() over (${inOrder})`.as('place'),
    })
    .from(lateBatches)
    .where(
      and(
        gt(lateBatches.storedAt, afterMs),
        lte(lateBatches.storedAt, untilMs),
        or(sentBy('device', members.deviceIds), sentBy('edge', members.edgeIds)),
      ),
    )
    .as('ranked');
  const found = db
    .select()
    .from(ranked)
    .where(lte(ranked.place, ofSender))
    .orderBy(asc(ranked.storedAt), asc(ranked.id));
  const rows = await (limit === undefined ? found : found.limit(limit));
  return rows.map(({ place: _, ...batch }) => batch);
};

/** The ids as one parameter: a statement has room for 65,535. */
const sentBy = (role: LateBatch['role'], ids: readonly string[] | null) =>
  ids === null
    ? eq(lateBatches.role, role)
    : and(
        eq(lateBatches.role, role),
        sql`${lateBatches.sender} in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`,
      );

export type EngineRows = ReturnType<typeof createEngineRows>;
