import type { AccountRows } from '../control/run-account-rows.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Store } from '../store/store.ts';
import { sumOf, togetherOf } from './balance.ts';
import { type Compared, compareWithStore } from './compare.ts';
import { dayMs, dayOf } from './day.ts';

const minuteMs = 60_000;
/** Asked for every minute; what it does not come to in this time waits for the next. */
const workMs = 3_000;
const rowsAtOnce = 200;
/** What did not come out may have been on its way: looked at again, for as long as results may be late. */
const againAfterMs = 10 * minuteMs;
const againForMs = 8 * dayMs;

/**
 * Compares with the store what devices have told since, so that a question about the fleet is none to
 * the store. An account comes behind the results it counts: there is nothing to wait for.
 */
export const createAccountCheck =
  (parts: { store: Store; accounts: AccountRows; now: () => number }) =>
  async (): Promise<void> => {
    const { store, accounts, now } = parts;
    const startedMs = performance.now();
    const begunAt = now();
    while (performance.now() - startedMs < workMs) {
      const rows = await accounts.toCheck({
        fromDay: dayOf(begunAt) - againForMs,
        againBefore: begunAt - againAfterMs,
        limit: rowsAtOnce,
      });
      if (rows.length === 0) return;
      const days = rows.map(({ dayAt }) => dayAt);
      const refused = await accounts.refusedOf(
        [...new Set(rows.map(({ deviceId }) => deviceId))],
        Math.min(...days),
        Math.max(...days),
      );
      const compared = await compareWithStore(store, rows, refused);
      await accounts.setChecked(compared.map(checkedOf), now());
    }
  };

/** Asks for it each minute; of N collectors' asking one job comes. */
export const startAccountCheckTimer = (jobs: Jobs, onError: (error: unknown) => void) => {
  const ask = () => void jobs.enqueue('zero-loss', {}, { id: 'zero-loss' }).catch(onError);
  const timer = setInterval(ask, minuteMs);
  return { stop: () => clearInterval(timer) };
};

const checkedOf = ({ row, probes }: Compared) => {
  const { deviceId, dayAt, bookId, sequence } = row;
  const { unexplainedCount: _, ...sums } = togetherOf(probes);
  // One probe's surplus does not pay for another's loss.
  const open = probes.reduce((sum, one) => sum + Math.max(0, one.unexplainedCount), 0);
  const over = probes.reduce((sum, one) => sum - Math.min(0, one.unexplainedCount), 0);
  return {
    ...{ deviceId, dayAt, bookId, sequence },
    sums: { ...sums, lostCount: sumOf(sums.lost) },
    unexplainedCount: open > 0 ? open : -over,
  };
};
