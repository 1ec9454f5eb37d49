import { and, eq, lt } from 'drizzle-orm';
import { ingestedBatches } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type BatchRow = typeof ingestedBatches.$inferSelect;

/** Which batches were stored, so that one sent twice counts once. */
export const createBatchRows = (db: Database) => ({
  async find(sender: string, batchId: string): Promise<BatchRow | undefined> {
    const [row] = await db
      .select()
      .from(ingestedBatches)
      .where(and(eq(ingestedBatches.sender, sender), eq(ingestedBatches.batchId, batchId)));
    return row;
  },
  /** False: another request with the same batch was faster. */
  async add(row: BatchRow): Promise<boolean> {
    const added = await db
      .insert(ingestedBatches)
      .values(row)
      .onConflictDoNothing()
      .returning({ batchId: ingestedBatches.batchId });
    return added.length === 1;
  },
  async deleteBefore(timeMs: number): Promise<void> {
    await db.delete(ingestedBatches).where(lt(ingestedBatches.receivedAt, timeMs));
  },
});

export type BatchRows = ReturnType<typeof createBatchRows>;
