import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccountRows } from '#collector/control/run-account-rows.ts';
import { type App, createApp } from '#collector/http/app.ts';
import { Problem } from '#collector/http/problems.ts';
import { registerPages } from '#collector/pages/register-pages.ts';
import { registerTriageApi } from '#collector/pages/register-triage-api.ts';
import type { State } from '#collector/state/state.ts';
import { openStore } from '#collector/store/open.ts';
import type { Store } from '#collector/store/store.ts';
import { silentLog } from '#runtime/log.ts';
import { openEmptyState } from './empty-state.ts';
import { seed } from './seed.ts';

export type RunningPages = {
  url: string;
  app: App;
  store: Store;
  state: State;
  /** The time the pages think it is; a test may let time pass. */
  clock: { nowMs: number };
  stop(): Promise<void>;
};

/**
 * The pages and their API on a real store and state in a temporary folder, on a free port.
 * `signedIn: false` lets nobody in.
 */
export const startPages = async (
  options: { seeded?: boolean; everyMs?: number; signedIn?: boolean } = {},
): Promise<RunningPages> => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-pages-'));
  const [store, state] = await Promise.all([
    openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') }),
    openEmptyState(join(folder, 'state')),
  ]);
  const clock = { nowMs: Date.now() };
  const everyMs = options.everyMs ?? 30_000;
  if (options.seeded !== false) await seed({ store, state, nowMs: clock.nowMs, everyMs });
  const app = createApp({ log: silentLog() });
  const parts = {
    store,
    state,
    accounts: createAccountRows(state.db),
    now: () => clock.nowMs,
    requireViewer: async () => {
      if (options.signedIn === false) throw new Problem('token-required');
    },
  };
  registerPages(app, parts);
  registerTriageApi(app, parts);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    app,
    store,
    state,
    clock,
    async stop() {
      await app.close();
      await Promise.all([store.stop(), state.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
