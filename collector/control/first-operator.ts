import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { operators } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { createOperators, makeOperatorToken } from './operators.ts';
import { hashSecret } from './secrets.ts';

/** One row for the first operator, whichever collector writes it. */
const firstOperatorId = '00000000-0000-4000-8000-000000000001';

/**
 * The admin every installation starts with. Its token lies in `<folder>/operator-token`, readable
 * by this user only, and is given back at every start for as long as it is valid. The file is
 * written before the row: a crash between the two loses nothing.
 */
export const ensureFirstOperator = async (
  db: Database,
  folder: string,
  now: number,
): Promise<string | undefined> => {
  const path = join(folder, 'operator-token');
  const token = readToken(path) ?? writeToken(path);
  await db
    .insert(operators)
    .values({
      id: firstOperatorId,
      name: 'first',
      role: 'admin',
      tokenHash: hashSecret(token),
      createdAt: now,
      revokedAt: null,
    })
    .onConflictDoNothing();
  if (await createOperators(db).byToken(token)) return token;
  // Another collector was first, or the operator was revoked: this file opens nothing.
  rmSync(path, { force: true });
  return undefined;
};

const readToken = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
};

const writeToken = (path: string): string => {
  const token = makeOperatorToken();
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  writeSync(file, `${token}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
  return token;
};
