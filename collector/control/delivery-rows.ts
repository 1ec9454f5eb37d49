import { and, asc, desc, eq, lt, ne, sql } from 'drizzle-orm';
import { storable } from '../http/plain-text.ts';
import { deliveries } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

export type Delivery = typeof deliveries.$inferSelect;
export type NewDelivery = typeof deliveries.$inferInsert;

/** What came of one attempt. */
export type Attempt = {
  state: Delivery['state'];
  status: number | null;
  error: string | null;
};

/** The outbox of webhook messages. */
export const createDeliveryRows = (db: Database) => ({
  async find(id: string): Promise<Delivery | undefined> {
    const [row] = await db.select().from(deliveries).where(eq(deliveries.id, id));
    return row;
  },

  /** Only what still waits: of two workers with the same message the second changes nothing. */
  async record(id: string, attempt: Attempt, now: number): Promise<void> {
    await db
      .update(deliveries)
      .set({
        state: attempt.state,
        attemptCount: sql`${deliveries.attemptCount} + 1`,
        lastStatus: attempt.status,
        lastError: storable(attempt.error),
        deliveredAt: attempt.state === 'delivered' ? now : null,
      })
      .where(and(eq(deliveries.id, id), eq(deliveries.state, 'waiting')));
  },

  async waitingIds(limit: number): Promise<string[]> {
    const rows = await db
      .select({ id: deliveries.id })
      .from(deliveries)
      .where(eq(deliveries.state, 'waiting'))
      .orderBy(asc(deliveries.createdAt))
      .limit(limit);
    return rows.map(({ id }) => id);
  },

  list: (page: { before: number; limit: number }) =>
    db
      .select({
        id: deliveries.id,
        webhookId: deliveries.webhookId,
        incidentId: deliveries.incidentId,
        eventType: deliveries.eventType,
        state: deliveries.state,
        attemptCount: deliveries.attemptCount,
        lastStatus: deliveries.lastStatus,
        lastError: deliveries.lastError,
        createdAt: deliveries.createdAt,
        deliveredAt: deliveries.deliveredAt,
      })
      .from(deliveries)
      .where(lt(deliveries.createdAt, page.before))
      .orderBy(desc(deliveries.createdAt))
      .limit(page.limit),

  async deleteBefore(timeMs: number): Promise<void> {
    await db
      .delete(deliveries)
      .where(and(ne(deliveries.state, 'waiting'), lt(deliveries.createdAt, timeMs)));
  },
});

export type DeliveryRows = ReturnType<typeof createDeliveryRows>;
