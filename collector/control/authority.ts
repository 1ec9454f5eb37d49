import { eq } from 'drizzle-orm';
import { createAuthority, type KeyedCertificate } from '#runtime/certificates.ts';
import { authority } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

const onlyRow = 1;

/**
 * The tenant's certificate authority, made at the very first start. Of collectors that start at
 * once on one state the first to write wins, and all read what was written.
 */
export const loadAuthority = async (db: Database, now: number): Promise<KeyedCertificate> => {
  const existing = await read(db);
  if (existing) return existing;
  const made = await createAuthority('whyslow tenant CA');
  await db
    .insert(authority)
    .values({ id: onlyRow, ...made, createdAt: now })
    .onConflictDoNothing();
  const written = await read(db);
  if (!written) throw new Error('the certificate authority was written and is not there');
  return written;
};

const read = async (db: Database): Promise<KeyedCertificate | undefined> => {
  const [row] = await db.select().from(authority).where(eq(authority.id, onlyRow));
  return row && { certificatePem: row.certificatePem, privateKeyPem: row.privateKeyPem };
};
