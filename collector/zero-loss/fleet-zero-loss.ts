import type { AccountRow, AccountRows } from '../control/run-account-rows.ts';
import { lostOf } from './balance.ts';
import { dayName } from './day.ts';
import type { FleetZeroLoss } from './views.ts';

const listedDevices = 200;

/** One day of the whole fleet, as its accounts were last compared with the store: see `check-accounts.ts`. */
export const fleetZeroLoss = async (
  accounts: Pick<AccountRows, 'totalsOf' | 'worstOf' | 'notTold'>,
  dayAt: number,
): Promise<FleetZeroLoss> => {
  const [totals, worst, notToldCount] = await Promise.all([
    accounts.totalsOf(dayAt),
    accounts.worstOf(dayAt, listedDevices),
    accounts.notTold(dayAt),
  ]);
  const { deviceCount, checkedCount, openCount, oldestCheckAt } = totals;
  return {
    day: dayName(dayAt),
    deviceCount,
    checkedCount,
    openCount,
    notToldCount,
    oldestCheckAt,
    plannedCount: totals.plannedCount,
    storedCount: totals.storedCount,
    lost: lostOf(totals),
    underwayCount: totals.underwayCount,
    unexplainedCount: totals.unexplainedCount,
    devices: worst.map(deviceLine),
  };
};

const deviceLine = ({ name, ...row }: AccountRow & { name: string | null }) => ({
  deviceId: row.deviceId,
  name: name ?? row.deviceId,
  fromAt: row.fromAt,
  untilAt: row.untilAt,
  checkedAt: row.sums === null ? null : row.checkedAt,
  plannedCount: row.sums?.plannedCount ?? 0,
  storedCount: row.sums?.storedCount ?? 0,
  lost: lostOf(row.sums?.lost ?? {}),
  underwayCount: row.sums?.underwayCount ?? 0,
  unexplainedCount: row.unexplainedCount ?? 0,
});
