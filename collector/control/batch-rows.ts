import { and, eq, lt, or } from 'drizzle-orm';
import { gathered } from '../state/gathered.ts';
import { ingestedBatches } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type BatchRow = typeof ingestedBatches.$inferSelect;

type BatchKey = Pick<BatchRow, 'sender' | 'batchId'>;

/** Which batches were stored, so that one sent twice counts once. */
export const createBatchRows = (db: Database) => ({
  find: gathered(async (keys: readonly BatchKey[]): Promise<(BatchRow | undefined)[]> => {
    const found = await db
      .select()
      .from(ingestedBatches)
      .where(
        or(
          ...keys.map(({ sender, batchId }) =>
            and(eq(ingestedBatches.sender, sender), eq(ingestedBatches.batchId, batchId)),
          ),
        ),
      );
    const byKey = new Map(found.map((row) => [keyOf(row), row]));
    return keys.map((key) => byKey.get(keyOf(key)));
  }),
  /** False: another request with the same batch was faster. */
  add: gathered(async (rows: readonly BatchRow[]): Promise<boolean[]> => {
    const added = await db
      .insert(ingestedBatches)
      .values([...rows])
      .onConflictDoNothing()
      .returning({ sender: ingestedBatches.sender, batchId: ingestedBatches.batchId });
    const mine = new Set(added.map(keyOf));
    // Of two of the same in one statement the first has made the row.
    return rows.map((row) => mine.delete(keyOf(row)));
  }),
  async deleteBefore(timeMs: number): Promise<void> {
    await db.delete(ingestedBatches).where(lt(ingestedBatches.receivedAt, timeMs));
  },
});

export type BatchRows = ReturnType<typeof createBatchRows>;

const keyOf = ({ sender, batchId }: BatchKey): string => `${sender} ${batchId}`;
