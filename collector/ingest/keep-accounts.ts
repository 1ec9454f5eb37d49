import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Identity } from '../control/fleet.ts';
import type { AccountRows } from '../control/run-account-rows.ts';
import { refusedRunsOf } from './refused-runs.ts';

export type KeepAccounts = ReturnType<typeof createKeepAccounts>;

/**
 * Keeps what a batch says about planned runs: the accounts in it, and the results in it that are
 * refused. Of most batches there is nothing to keep, and nothing is asked of the state.
 */
export const createKeepAccounts =
  (accounts: Pick<AccountRows, 'keep' | 'keepRefused'>) =>
  async (batch: {
    sender: Identity;
    batchId: string;
    accepted: readonly TelemetryRecord[];
    rejected: readonly unknown[];
    receivedAt: number;
  }): Promise<void> => {
    const { sender, batchId, accepted, rejected, receivedAt } = batch;
    if (sender.role !== 'device') return;
    const told = accepted.filter((record) => record.kind === 'account');
    if (told.length > 0) await accounts.keep(told, receivedAt);
    const refused = rejected.length === 0 ? [] : refusedRunsOf(sender.id, rejected);
    if (refused.length > 0) await accounts.keepRefused(sender.id, batchId, refused);
  };
