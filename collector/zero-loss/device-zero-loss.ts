import type { AccountRow, AccountRows } from '../control/run-account-rows.ts';
import type { Store } from '../store/store.ts';
import { balanceOf, lostOf, togetherOf } from './balance.ts';
import { type Compared, compareWithStore, type ProbeBalance } from './compare.ts';
import { dayMs, dayName } from './day.ts';
import { countDuplicates, storedRuns } from './stored-runs.ts';
import type { DeviceZeroLoss, ZeroLossDay, ZeroLossProbe } from './views.ts';

type Parts = { store: Store; accounts: AccountRows };

/** What became of a device's planned runs, day by day, asked of the store now. */
export const deviceZeroLoss = async (
  { store, accounts }: Parts,
  deviceId: string,
  { fromDay, toDay }: { fromDay: number; toDay: number },
): Promise<DeviceZeroLoss> => {
  const [rows, refused] = await Promise.all([
    accounts.ofDevice(deviceId, fromDay, toDay),
    accounts.refusedOf([deviceId], fromDay, toDay),
  ]);
  const told = new Set(rows.map(({ dayAt }) => dayAt));
  const compared = await compareWithStore(store, rows, refused);
  const range = { fromMs: fromDay, toMs: toDay + dayMs };
  const untold =
    told.size * dayMs === range.toMs - fromDay ? [] : await storedDays(store, deviceId, range);
  const days: ZeroLossDay[] = [];
  for (let dayAt = toDay; dayAt >= fromDay; dayAt -= dayMs) {
    const ofDay = compared.filter(({ row }) => row.dayAt === dayAt);
    const stored = untold.filter((one) => one.dayAt === dayAt);
    if (ofDay.length > 0) days.push(await toldDay(store, dayAt, ofDay));
    else if (stored.length > 0) days.push(untoldDay(dayAt, stored));
  }
  return { deviceId, ...sumOfDays(days), days };
};

const storedDays = (store: Store, deviceId: string, range: { fromMs: number; toMs: number }) =>
  storedRuns(store, { deviceIds: [deviceId], ...range });

/** Where a device lost its book, a day has two accounts, of one part of it each. */
const toldDay = async (
  store: Store,
  dayAt: number,
  compared: readonly Compared[],
): Promise<ZeroLossDay> => {
  const rows = compared.map(({ row }) => row);
  const twice = await duplicatesIn(store, rows);
  const probeIds = new Set(compared.flatMap(({ probes }) => probes.map(({ probeId }) => probeId)));
  const probes = [...probeIds].sort().map((probeId): ZeroLossProbe => {
    const parts = compared.flatMap((one) => one.probes.filter((each) => each.probeId === probeId));
    return withoutDuplicates(probeId, parts, twice.get(probeId) ?? 0);
  });
  return {
    day: dayName(dayAt),
    isTold: true,
    fromAt: Math.min(...rows.map(({ fromAt }) => fromAt)),
    untilAt: Math.max(...rows.map(({ untilAt }) => untilAt)),
    toldAt: Math.max(...rows.map(({ toldAt }) => toldAt)),
    ...sumOfDays(probes),
    probes,
  };
};

const duplicatesIn = async (
  store: Store,
  rows: readonly AccountRow[],
): Promise<Map<string, number>> => {
  const twice = new Map<string, number>();
  for (const { deviceId, fromAt, untilAt } of rows) {
    const range = { deviceId, fromMs: fromAt, toMs: untilAt };
    for (const { probeId, duplicateCount } of await countDuplicates(store, range)) {
      twice.set(probeId, (twice.get(probeId) ?? 0) + duplicateCount);
    }
  }
  return twice;
};

/** A result that is stored twice is one result. */
const withoutDuplicates = (
  probeId: string,
  parts: readonly ProbeBalance[],
  duplicateCount: number,
): ZeroLossProbe => {
  const together = togetherOf(parts);
  const storedCount = together.storedCount - duplicateCount;
  const balance = duplicateCount === 0 ? together : balanceOf({ ...together, storedCount });
  return { probeId, ...balance, duplicateCount };
};

const untoldDay = (
  dayAt: number,
  stored: readonly { probeId: string; storedCount: number }[],
): ZeroLossDay => {
  const probes = stored.map(({ probeId, storedCount }) => ({
    probeId,
    plannedCount: 0,
    storedCount,
    lost: lostOf(),
    underwayCount: 0,
    unexplainedCount: 0,
    duplicateCount: 0,
  }));
  return {
    day: dayName(dayAt),
    isTold: false,
    fromAt: null,
    untilAt: null,
    toldAt: null,
    ...sumOfDays(probes),
    probes,
  };
};

const sumOfDays = (parts: readonly Omit<ZeroLossProbe, 'probeId'>[]) => ({
  ...togetherOf(parts),
  duplicateCount: parts.reduce((sum, { duplicateCount }) => sum + duplicateCount, 0),
});
