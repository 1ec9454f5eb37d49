import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pglite';
import { takeLock } from '#runtime/file-lock.ts';
import { migrate } from './migrate.ts';
import * as schema from './schema.ts';
import { type Database, type State, StateUnavailable } from './state.ts';
import { asStateError } from './unavailable.ts';

/** PostgreSQL inside this process, in a folder that is its alone. The first start makes the data (4 s, 0.9 GB). */
export const openPglite = async (options: { folder: string }): Promise<State> => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  // PGlite itself lets a second opener in, which destroys the data.
  const lock = takeLock({
    path: join(options.folder, 'whyslow.lock'),
    what: `state folder ${options.folder}`,
    fix: 'give this collector another folder (several collectors on one state need PostgreSQL)',
  });
  try {
    const client = await PGlite.create({ dataDir: join(options.folder, 'pgdata') });
    const db = drizzle({ client, schema }) as unknown as Database;
    await migrate(db);
    return createState(client, db, lock);
  } catch (error) {
    lock.release();
    throw asStateError(error);
  }
};

const createState = (client: PGlite, db: Database, lock: { release(): void }): State => {
  let stopping: Promise<void> | undefined;
  const close = async () => {
    // Taking the client's turn waits for what was asked before; `close` itself would not.
    await client.runExclusive(async () => undefined);
    await client.close();
    lock.release();
  };
  return {
    engine: 'pglite',
    db,
    async ping() {
      if (client.closed) throw new StateUnavailable('state engine: PGlite is closed');
      try {
        await db.execute(sql`select 1`);
      } catch (error) {
        throw asStateError(error);
      }
    },
    stop() {
      stopping ??= close();
      return stopping;
    },
  };
};
