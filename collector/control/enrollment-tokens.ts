import { randomBytes } from 'node:crypto';
import { and, desc, eq, gt, sql } from 'drizzle-orm';
import { enrollmentTokens } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import { hashSecret, isSameHash, makeSecret } from './secrets.ts';

export type TokenRole = 'device' | 'edge';

export type TokenWish = { role: TokenRole; uses: number; lifetimeMs: number; note: string };

/** Why a token does not let in. Said aloud only to who knew the secret. */
export type TokenRefusal = 'unknown' | 'expired' | 'used-up' | 'wrong-role';

/** The tokens an operator hands out so that devices and edges can enrol. */
export const createEnrollmentTokens = (db: Database, caFingerprint: string) => ({
  /** The whole token is in the answer and nowhere else. */
  async create(wish: TokenWish, actor: string, now: number) {
    const id = randomBytes(9).toString('base64url');
    const secret = makeSecret();
    const { role, uses, note } = wish;
    const expiresAt = now + wish.lifetimeMs;
    await db.transaction(async (tx) => {
      await tx.insert(enrollmentTokens).values({
        id,
        secretHash: hashSecret(secret),
        role,
        note,
        usesLeft: uses,
        createdAt: now,
        expiresAt,
      });
      const detail = { role, uses, expiresAt, note };
      await writeAudit(tx, { actor, action: 'enrollment-token.created', subject: id, detail }, now);
    });
    return { id, token: `wse1.${id}.${secret}.${caFingerprint}`, role, usesLeft: uses, expiresAt };
  },

  list: () =>
    db
      .select({
        id: enrollmentTokens.id,
        role: enrollmentTokens.role,
        note: enrollmentTokens.note,
        usesLeft: enrollmentTokens.usesLeft,
        createdAt: enrollmentTokens.createdAt,
        expiresAt: enrollmentTokens.expiresAt,
      })
      .from(enrollmentTokens)
      .orderBy(desc(enrollmentTokens.createdAt))
      .limit(1_000),

  /** Takes what is left of it; false: no such token. */
  cancel: (id: string, actor: string, now: number): Promise<boolean> =>
    db.transaction(async (tx) => {
      const gone = await tx
        .update(enrollmentTokens)
        .set({ usesLeft: 0 })
        .where(eq(enrollmentTokens.id, id))
        .returning({ id: enrollmentTokens.id });
      if (gone.length === 0) return false;
      const entry = { actor, action: 'enrollment-token.cancelled', subject: id, detail: {} };
      await writeAudit(tx, entry, now);
      return true;
    }),

  /** Looks without taking a use, so that a bad certificate request costs none. */
  async inspect(token: string, role: TokenRole, now: number): Promise<TokenRefusal | 'good'> {
    const { id, secret } = partsOf(token);
    const [row] = await db.select().from(enrollmentTokens).where(eq(enrollmentTokens.id, id));
    // Compared even where there is no such token: the time taken tells nothing.
    const isKnown = isSameHash(hashSecret(secret), row?.secretHash ?? hashSecret(''));
    if (!row || !isKnown) return 'unknown';
    if (row.role !== role) return 'wrong-role';
    if (row.expiresAt <= now) return 'expired';
    return row.usesLeft > 0 ? 'good' : 'used-up';
  },

  idOf: (token: string): string => partsOf(token).id,
});

export type EnrollmentTokens = ReturnType<typeof createEnrollmentTokens>;

/** Takes one use, in the transaction that makes the identity; false: none was left. */
export const takeUse = async (
  db: Pick<Database, 'update'>,
  tokenId: string,
  now: number,
): Promise<boolean> => {
  const taken = await db
    .update(enrollmentTokens)
    .set({ usesLeft: sql`${enrollmentTokens.usesLeft} - 1` })
    .where(
      and(
        eq(enrollmentTokens.id, tokenId),
        gt(enrollmentTokens.usesLeft, 0),
        gt(enrollmentTokens.expiresAt, now),
      ),
    )
    .returning({ id: enrollmentTokens.id });
  return taken.length === 1;
};

const partsOf = (token: string): { id: string; secret: string } => {
  const [, id = '', secret = ''] = token.split('.');
  return { id, secret };
};
