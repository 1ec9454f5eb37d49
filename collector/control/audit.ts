import { randomUUID } from 'node:crypto';
import { desc, lt } from 'drizzle-orm';
import { audit } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

/** Who did what to which thing. `detail` holds no secret. */
export type AuditEntry = { actor: string; action: string; subject: string; detail: unknown };

/** Written in the transaction of the change it tells of, so that neither is there alone. */
export const writeAudit = async (
  db: Pick<Database, 'insert'>,
  entry: AuditEntry,
  now: number,
): Promise<void> => {
  await db.insert(audit).values({ id: randomUUID(), at: now, ...entry });
};

export const listAudit = (db: Database, page: { before: number; limit: number }) =>
  db
    .select()
    .from(audit)
    .where(lt(audit.at, page.before))
    .orderBy(desc(audit.at))
    .limit(page.limit);
