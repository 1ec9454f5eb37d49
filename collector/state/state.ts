import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type * as schema from './schema.ts';

/** The same queries on PGlite and on PostgreSQL. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

/** The engine does not answer now. */
export class StateUnavailable extends Error {
  override name = 'StateUnavailable';
}

export type State = {
  readonly engine: 'pglite' | 'postgres';
  readonly db: Database;
  /** Resolves when the engine answers; throws StateUnavailable otherwise. */
  ping(): Promise<void>;
  stop(): Promise<void>;
};
