import type { AccountRow, RefusedRuns } from '../control/run-account-rows.ts';
import type { Store } from '../store/store.ts';
import { type Balance, balanceOf, lostOf } from './balance.ts';
import { storedRuns } from './stored-runs.ts';

export type ProbeBalance = Balance & { probeId: string };

/** An account, and what became of it by probe. */
export type Compared = { row: AccountRow; probes: ProbeBalance[] };

type Refused = { deviceId: string } & RefusedRuns;

/**
 * Accounts beside the store. Those of one stretch of time are read together: what a fleet tells of a
 * day that is over is one question for many devices.
 */
export const compareWithStore = async (
  store: Pick<Store, 'aggregate'>,
  rows: readonly AccountRow[],
  refused: readonly Refused[],
): Promise<Compared[]> => {
  const stretches = groupedBy(rows, ({ fromAt, untilAt }) => `${fromAt} ${untilAt}`);
  const compared: Compared[] = [];
  for (const together of stretches.values()) {
    const [first] = together;
    if (first === undefined) continue;
    const deviceIds = [...new Set(together.map(({ deviceId }) => deviceId))];
    const range = { fromMs: first.fromAt, toMs: first.untilAt };
    const stored = await storedRuns(store, { deviceIds, ...range });
    const ofDevice = groupedBy(stored, ({ deviceId }) => deviceId);
    for (const row of together) {
      const isNewest = rows.every((one) => !isSameDay(one, row) || one.fromAt <= row.fromAt);
      const counts = new Map(
        ofDevice.get(row.deviceId)?.map(({ probeId, storedCount }) => [probeId, storedCount]),
      );
      compared.push({
        row,
        probes: probesOf(row, counts, isNewest ? refusedOf(row, refused) : new Map()),
      });
    }
  }
  return compared;
};

const probesOf = (
  row: AccountRow,
  stored: ReadonlyMap<string, number>,
  refused: ReadonlyMap<string, number>,
): ProbeBalance[] => {
  const told = new Map(row.probes.map((one) => [one.probeId, one]));
  const probeIds = new Set([...told.keys(), ...stored.keys(), ...refused.keys()]);
  return [...probeIds].sort().map((probeId) => {
    const one = told.get(probeId);
    return {
      probeId,
      ...balanceOf({
        plannedCount: one?.plannedCount ?? 0,
        storedCount: stored.get(probeId) ?? 0,
        lost: lostOf(one?.lost ?? {}, { refused: refused.get(probeId) ?? 0 }),
        underwayCount: one?.underwayCount ?? 0,
      }),
    };
  });
};

const refusedOf = (row: AccountRow, refused: readonly Refused[]): Map<string, number> =>
  new Map(
    refused
      .filter((one) => isSameDay(one, row))
      .map(({ probeId, runCount }) => [probeId, runCount]),
  );

type DeviceDay = { deviceId: string; dayAt: number };
const isSameDay = (one: DeviceDay, other: DeviceDay): boolean =>
  one.deviceId === other.deviceId && one.dayAt === other.dayAt;

const groupedBy = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
};
