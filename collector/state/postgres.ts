import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool } from 'pg';
import { migrate } from './migrate.ts';
import * as schema from './schema.ts';
import type { Database, State } from './state.ts';
import { asStateError } from './unavailable.ts';

/** How long a caller waits for a connection, or for an answer, before the engine counts as gone. */
const connectTimeoutMs = 5_000;
const queryTimeoutMs = 30_000;

export type PostgresOptions = { url: string; connectionLimit?: number };

export const openPostgres = async (options: PostgresOptions): Promise<State> => {
  const pool = new Pool({
    connectionString: options.url,
    max: options.connectionLimit ?? 10,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    statement_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: queryTimeoutMs,
    keepAlive: true,
    application_name: 'whyslow-collector',
  });
  // An idle connection that breaks is replaced by the pool; unheard, its event would end the process.
  pool.on('error', () => undefined);
  const db = drizzle({ client: pool, schema }) as unknown as Database;
  try {
    await migrate(db);
  } catch (error) {
    await pool.end();
    throw asStateError(error);
  }
  return createState(pool, db);
};

const createState = (pool: Pool, db: Database): State => {
  let stopping: Promise<void> | undefined;
  return {
    engine: 'postgres',
    db,
    async ping() {
      try {
        await db.execute(sql`select 1`);
      } catch (error) {
        throw asStateError(error);
      }
    },
    stop() {
      stopping ??= pool.end();
      return stopping;
    },
  };
};
