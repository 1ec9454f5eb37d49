import { and, asc, eq, gte, inArray, lt, or, sql } from 'drizzle-orm';
import { rollupBins, rollupProgress } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type RollupProgress = Omit<typeof rollupProgress.$inferSelect, 'id'>;

/** Nothing is made yet. */
export const unknownBin = -1;
/** There is one. */
const only = eq(rollupProgress.id, 1);

/** How far roll-ups are made, who makes them, and which are to be made anew. */
export const createRollupRows = (db: Database) => ({
  async progress(): Promise<RollupProgress | undefined> {
    const [row] = await db.select().from(rollupProgress).where(only);
    return row;
  },

  /** Before raw points are deleted: what is made of a part of them would be worse than what is there. */
  async noteRawFrom(timeMs: number): Promise<void> {
    const row = { id: 1, nextBin: unknownBin, worker: '', workingUntil: 0, rawFrom: timeMs };
    const larger = sql`greatest(${rollupProgress.rawFrom}, ${timeMs})`;
    await db
      .insert(rollupProgress)
      .values(row)
      .onConflictDoUpdate({ target: rollupProgress.id, set: { rawFrom: larger } });
  },

  /** The right to go on until `workingUntil`; false: another took it meanwhile. */
  async take(
    known: RollupProgress | undefined,
    next: Omit<RollupProgress, 'rawFrom'>,
  ): Promise<boolean> {
    if (known === undefined) {
      const row = { id: 1, ...next, rawFrom: 0 };
      const made = await db.insert(rollupProgress).values(row).onConflictDoNothing().returning();
      return made.length === 1;
    }
    const isAsKnown = and(
      eq(rollupProgress.worker, known.worker),
      eq(rollupProgress.workingUntil, known.workingUntil),
      eq(rollupProgress.nextBin, known.nextBin),
    );
    const taken = await db.update(rollupProgress).set(next).where(and(only, isAsKnown)).returning();
    return taken.length === 1;
  },

  /** Still at work, and how far; false: another has taken over. */
  async goOn(worker: string, now: { nextBin?: number; workingUntil: number }): Promise<boolean> {
    const isOurs = and(only, eq(rollupProgress.worker, worker));
    const kept = await db.update(rollupProgress).set(now).where(isOurs).returning();
    return kept.length === 1;
  },

  /** Bins whose roll-ups lack something. One that waits for that already stays as it is. */
  async markStale(bins: readonly number[]): Promise<void> {
    const rows = bins.map((bin) => ({ bin, working: false }));
    if (rows.length > 0) await db.insert(rollupBins).values(rows).onConflictDoNothing();
  },

  /**
   * The oldest that are to be made anew, with those that somebody began and did not end. From here on
   * a mark is a new one. Marks outside the range go: of bins that are not made yet, or can't be any more.
   */
  async beginStale(range: { from: number; to: number }, most: number): Promise<number[]> {
    return db.transaction(async (tx) => {
      const outside = or(lt(rollupBins.bin, range.from), gte(rollupBins.bin, range.to));
      await tx.delete(rollupBins).where(outside);
      const found = await tx
        .selectDistinct({ bin: rollupBins.bin })
        .from(rollupBins)
        .orderBy(asc(rollupBins.bin))
        .limit(most);
      const bins = found.map(({ bin }) => bin);
      if (bins.length === 0) return [];
      const marks = and(inArray(rollupBins.bin, bins), eq(rollupBins.working, false));
      await tx.delete(rollupBins).where(marks);
      const rows = bins.map((bin) => ({ bin, working: true }));
      await tx.insert(rollupBins).values(rows).onConflictDoNothing();
      return bins;
    });
  },

  async endStale(bins: readonly number[]): Promise<void> {
    if (bins.length === 0) return;
    const done = and(inArray(rollupBins.bin, [...bins]), eq(rollupBins.working, true));
    await db.delete(rollupBins).where(done);
  },

  async staleCount(): Promise<number> {
    return db.$count(rollupBins);
  },
});

export type RollupRows = ReturnType<typeof createRollupRows>;
