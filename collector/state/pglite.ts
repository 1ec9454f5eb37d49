import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pglite';
import { takeLock } from '#runtime/file-lock.ts';
import { createRoomCheck } from './disk-room.ts';
import { migrate } from './migrate.ts';
import * as schema from './schema.ts';
import { type Database, type State, StateUnavailable } from './state.ts';
import { asStateError } from './unavailable.ts';

/** PostgreSQL inside this process, in a folder that is its alone. The first start makes the data (4 s, 0.9 GB). */
export const openPglite = async (options: { folder: string; asIs?: boolean }): Promise<State> => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  // PGlite itself lets a second opener in, which destroys the data.
  const lock = takeLock({
    path: join(options.folder, 'whyslow.lock'),
    what: `state folder ${options.folder}`,
    fix: 'give this collector another folder (several collectors on one state need PostgreSQL)',
  });
  try {
    const requireRoom = createRoomCheck(options.folder);
    requireRoom();
    const client = await PGlite.create({ dataDir: join(options.folder, 'pgdata') });
    guardWrites(client, requireRoom);
    const db = drizzle({ client, schema }) as unknown as Database;
    if (options.asIs !== true) await migrate(db);
    return createState({ client, db, lock, requireRoom });
  } catch (error) {
    lock.release();
    throw asStateError(error);
  }
};

/** Reading goes on without room. */
const guardWrites = (client: PGlite, requireRoom: () => void): void => {
  const query = client.query.bind(client) as PGlite['query'];
  client.query = async (text, ...rest) => {
    if (!/^\s*select\b/i.test(text)) requireRoom();
    return query(text, ...rest);
  };
  const transaction = client.transaction.bind(client) as PGlite['transaction'];
  client.transaction = async (work) => {
    requireRoom();
    return transaction(work);
  };
};

const createState = (parts: {
  client: PGlite;
  db: Database;
  lock: { release(): void };
  requireRoom: () => void;
}): State => {
  const { client, db, lock } = parts;
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
      parts.requireRoom();
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
