import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { and, asc, eq, gt, lt, lte, sql } from 'drizzle-orm';
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

  async noteLate(batch: LateBatch): Promise<void> {
    await db.insert(lateBatches).values(batch).onConflictDoNothing();
  },

  /** Stored after one moment and until another, oldest first. */
  late: (range: { afterMs: number; untilMs: number }, limit: number): Promise<LateBatch[]> =>
    db
      .select()
      .from(lateBatches)
      .where(and(gt(lateBatches.storedAt, range.afterMs), lte(lateBatches.storedAt, range.untilMs)))
      .orderBy(asc(lateBatches.storedAt), asc(lateBatches.id))
      .limit(limit),

  async deleteBefore(before: { checkpointsMs: number; lateMs: number }): Promise<void> {
    await db.delete(fleetCheckpoints).where(lt(fleetCheckpoints.savedAt, before.checkpointsMs));
    await db.delete(fleetShards).where(lt(fleetShards.keptUntil, before.checkpointsMs));
    await db.delete(lateBatches).where(lt(lateBatches.storedAt, before.lateMs));
  },
});

export type EngineRows = ReturnType<typeof createEngineRows>;
