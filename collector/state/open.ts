import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import type { State } from './state.ts';

export type StateConfig =
  | { engine: 'pglite'; folder: string }
  | { engine: 'postgres'; url: string; connectionLimit?: number };

/**
 * Opens the state and brings its schema up to date. Throws StateUnavailable when the engine does
 * not answer, and a plain Error when it never will (folder in use, newer schema, wrong password).
 */
export const openState = (config: StateConfig): Promise<State> =>
  config.engine === 'pglite' ? openPglite(config) : openPostgres(config);
