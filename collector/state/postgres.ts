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

export type PostgresOptions = {
  url: string;
  connectionLimit?: number;
  /** Where its tables are, made if it is not there; absent: where the server puts them (`public`). */
  schema?: string;
  asIs?: boolean;
};

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
    // With the connection's start: a statement sent after it might fail, and the next one go elsewhere.
    ...(options.schema === undefined ? {} : { options: `-c search_path=${options.schema}` }),
  });
  // An idle connection that breaks is replaced by the pool; unheard, its event would end the process.
  pool.on('error', () => undefined);
  const db = drizzle({ client: pool, schema }) as unknown as Database;
  try {
    if (options.schema !== undefined) await enterSchema(db, options.schema);
    if (options.asIs !== true) await migrate(db);
  } catch (error) {
    await pool.end();
    throw asStateError(error);
  }
  return createState(pool, db);
};

/** A pooler in between, or `options` in the URL, may have swallowed the search path: then not a row is touched. */
const enterSchema = async (db: Database, schema: string): Promise<void> => {
  await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`schema:${schema}`}, 0))`);
    // "if not exists" asks for the right to make one even where it is there.
    const found = await tx.execute(sql`select 1 from pg_namespace where nspname = ${schema}`);
    if (rowsOf(found).length === 0) await tx.execute(sql`create schema ${sql.identifier(schema)}`);
  });
  const [row] = rowsOf(await db.execute(sql`select current_schemas(false)::text as path`));
  if (row?.['path'] === `{${schema}}`) return;
  throw new Error(
    `PostgreSQL does not keep to schema ${schema} (search_path is ${row?.['path']}): take ` +
      '`options` out of the URL, and let a pooler pass the start-up parameter `options` on',
  );
};

const rowsOf = (answer: unknown) => (answer as { rows: Record<string, unknown>[] }).rows;

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
