import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import type { State } from './state.ts';

export type StateConfig =
  | { engine: 'pglite'; folder: string; asIs?: boolean }
  | { engine: 'postgres'; url: string; connectionLimit?: number; schema?: string; asIs?: boolean };

/**
 * Opens the state and brings its schema up to date. Throws StateUnavailable when the engine does
 * not answer, and a plain Error when it never will (folder in use, newer schema, wrong password).
 * `asIs`: the schema stays as it is found, for back-ups.
 */
export const openState = (config: StateConfig): Promise<State> =>
  config.engine === 'pglite' ? openPglite(config) : openPostgres(config);
