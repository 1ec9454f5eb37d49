import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { ArtefactKind } from '#contract/artefact.ts';
import { artefacts } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type ArtefactRow = typeof artefacts.$inferSelect;

/** Kept of one device; the oldest go first. */
export const maxArtefactsPerDevice = 20;

/** What runs made beside their figures. */
export const createArtefactRows = (db: Database) => ({
  /** Sent twice it is kept once; results' ids are random, so no device meets another's. */
  async add(row: ArtefactRow): Promise<void> {
    await db.insert(artefacts).values(row).onConflictDoNothing();
    const oldestKept = db
      .select({ at: artefacts.at })
      .from(artefacts)
      .where(eq(artefacts.deviceId, row.deviceId))
      .orderBy(sql`${artefacts.at} desc`)
      .offset(maxArtefactsPerDevice - 1)
      .limit(1);
    await db
      .delete(artefacts)
      .where(and(eq(artefacts.deviceId, row.deviceId), lt(artefacts.at, sql`(${oldestKept})`)));
  },

  async find(resultId: string, kind: ArtefactKind): Promise<ArtefactRow | undefined> {
    const [row] = await db
      .select()
      .from(artefacts)
      .where(and(eq(artefacts.resultId, resultId), eq(artefacts.kind, kind)));
    return row;
  },

  /** Which there are of a device's results. */
  async kindsOf(deviceId: string, resultIds: readonly string[]) {
    if (resultIds.length === 0) return [];
    return db
      .select({ resultId: artefacts.resultId, kind: artefacts.kind })
      .from(artefacts)
      .where(and(eq(artefacts.deviceId, deviceId), inArray(artefacts.resultId, [...resultIds])));
  },

  async deleteBefore(timeMs: number): Promise<void> {
    await db.delete(artefacts).where(lt(artefacts.at, timeMs));
  },
});

export type ArtefactRows = ReturnType<typeof createArtefactRows>;
