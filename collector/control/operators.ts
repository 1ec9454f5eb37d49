import { createHmac, randomUUID } from 'node:crypto';
import { and, asc, eq, isNull } from 'drizzle-orm';
import { operators } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import { hashSecret, isSameHash, makeSecret } from './secrets.ts';

export type OperatorRole = 'viewer' | 'admin';
export type Operator = { id: string; name: string; role: OperatorRole };

/** How long a browser stays let in. */
export const sessionLifetimeMs = 12 * 3_600_000;

/** `wso1.` + secret: what a person or script sends as bearer token. */
export const makeOperatorToken = (): string => `wso1.${makeSecret()}`;

/** The people and scripts that may look (`viewer`) or change (`admin`). */
export const createOperators = (db: Database) => ({
  async byToken(token: string): Promise<Operator | undefined> {
    const [row] = await db
      .select()
      .from(operators)
      .where(and(eq(operators.tokenHash, hashSecret(token)), isNull(operators.revokedAt)));
    return row && { id: row.id, name: row.name, role: row.role };
  },

  /**
   * What the cookie holds: not the token, because a cookie of 127.0.0.1 goes to every port there.
   * It lets its bearer read until it expires or the operator is revoked, on any collector.
   */
  async openSession(token: string, now: number): Promise<string | undefined> {
    const operator = await this.byToken(token);
    if (!operator) return undefined;
    const expiresAt = now + sessionLifetimeMs;
    return `wss1.${operator.id}.${expiresAt}.${sign(operator.id, expiresAt, hashSecret(token))}`;
  },

  async bySession(session: string, now: number): Promise<Operator | undefined> {
    const parts = /^wss1\.([0-9a-f-]{36})\.(\d{13})\.([0-9a-f]{64})$/.exec(session);
    if (!parts) return undefined;
    const [, id = '', expiresAt = '', signature = ''] = parts;
    if (Number(expiresAt) <= now) return undefined;
    const [row] = await db
      .select()
      .from(operators)
      .where(and(eq(operators.id, id), isNull(operators.revokedAt)));
    if (!row || !isSameHash(signature, sign(id, Number(expiresAt), row.tokenHash))) {
      return undefined;
    }
    return { id: row.id, name: row.name, role: row.role };
  },

  list: () =>
    db
      .select({
        id: operators.id,
        name: operators.name,
        role: operators.role,
        createdAt: operators.createdAt,
        revokedAt: operators.revokedAt,
      })
      .from(operators)
      .orderBy(asc(operators.createdAt)),

  /** The token is in the answer and nowhere else. */
  async create(
    wanted: { name: string; role: OperatorRole },
    actor: string,
    now: number,
  ): Promise<Operator & { token: string }> {
    const token = makeOperatorToken();
    const operator = { id: randomUUID(), ...wanted };
    await db.transaction(async (tx) => {
      await tx
        .insert(operators)
        .values({ ...operator, tokenHash: hashSecret(token), createdAt: now, revokedAt: null });
      const entry = { actor, action: 'operator.created', subject: operator.id, detail: wanted };
      await writeAudit(tx, entry, now);
    });
    return { ...operator, token };
  },

  /** False: no such operator, or revoked before. */
  revoke: (id: string, actor: string, now: number): Promise<boolean> =>
    db.transaction(async (tx) => {
      const revoked = await tx
        .update(operators)
        .set({ revokedAt: now })
        .where(and(eq(operators.id, id), isNull(operators.revokedAt)))
        .returning({ id: operators.id });
      if (revoked.length === 0) return false;
      await writeAudit(tx, { actor, action: 'operator.revoked', subject: id, detail: {} }, now);
      return true;
    }),
});

export type Operators = ReturnType<typeof createOperators>;

const sign = (id: string, expiresAt: number, tokenHash: string): string =>
  createHmac('sha256', tokenHash).update(`session:${id}:${expiresAt}`).digest('hex');
