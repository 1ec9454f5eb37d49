import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAccountRows } from '#collector/control/run-account-rows.ts';
import { toPoints } from '#collector/store/points.ts';
import { createAccountCheck } from '#collector/zero-loss/check-accounts.ts';
import { fleetZeroLoss } from '#collector/zero-loss/fleet-zero-loss.ts';
import { type CollectorParts, openCollectorParts } from '#test/support/collector-parts.ts';
import { slowResults } from '#test/support/slow-results.ts';

const dayMs = 86_400_000;
const now = Date.now();
const dayAt = Math.floor(now / dayMs) * dayMs - dayMs;

let parts: CollectorParts;
beforeAll(async () => {
  parts = await openCollectorParts();
}, 60_000);
afterAll(() => parts.stop());

/** A device that tells of `planned` runs and has `stored` results. */
const tell = async (planned: number, stored: number, untilAt = dayAt + dayMs, sequence = 1) => {
  const deviceId = randomUUID();
  const endMs = dayAt + dayMs / 4;
  const results = slowResults({ deviceId, appId: 'crm', endMs, usualCount: stored, slowCount: 0 })
    .filter(({ via }) => via === 'tunnel')
    .map((one) => ({ ...one, probeId: 'crm', self: { ...one.self, latenessMs: 1 } }));
  await parts.store.write(results.flatMap((one) => toPoints(one, now)));
  await createAccountRows(parts.state.db).keep(
    [
      {
        ...{ kind: 'account', id: randomUUID(), deviceId, bookId: randomUUID(), at: now, sequence },
        ...{ fromAt: dayAt, untilAt },
        probes: [{ probeId: 'crm', plannedCount: planned, lost: { asleep: 1 }, underwayCount: 0 }],
      },
    ],
    now,
  );
  return deviceId;
};

describe('the fleet on a day', () => {
  test('is what its devices told, compared with the store, the worst first', async () => {
    const accounts = createAccountRows(parts.state.db);
    for (let i = 0; i < 20; i += 1) await tell(5, 4);
    const worst = await tell(9, 4);
    const partOfDay = await tell(5, 4, dayAt + dayMs / 2);
    const more = await tell(4, 4);
    expect(await fleetZeroLoss(accounts, dayAt)).toMatchObject({
      deviceCount: 23,
      checkedCount: 0,
    });

    await createAccountCheck({ store: parts.store, accounts, now: () => now })();
    const { devices, ...fleet } = await fleetZeroLoss(accounts, dayAt);
    expect(fleet).toMatchObject({
      ...{ deviceCount: 23, checkedCount: 23, openCount: 2, notToldCount: 0 },
      ...{ plannedCount: 118, storedCount: 92, unexplainedCount: 3 },
      lost: { asleep: 23, 'spool-full': 0, stopped: 0, overrun: 0, refused: 0 },
    });
    expect(devices.slice(0, 2).map((one) => [one.deviceId, one.unexplainedCount])).toEqual([
      [worst, 4],
      [more, -1],
    ]);
    expect(devices.find(({ deviceId }) => deviceId === partOfDay)?.unexplainedCount).toBe(0);
    expect(await fleetZeroLoss(accounts, dayAt - dayMs)).toMatchObject({ deviceCount: 0 });
  });

  test('looks again at what did not come out, and at what was told since', async () => {
    const accounts = createAccountRows(parts.state.db);
    const wanted = { fromDay: dayAt - dayMs, againBefore: 0, limit: 100 };
    expect(await accounts.toCheck(wanted)).toEqual([]);
    const open = await accounts.toCheck({ ...wanted, againBefore: now + 1 });
    expect(open.map(({ unexplainedCount }) => unexplainedCount).sort()).toEqual([-1, 4]);
    const told = await tell(5, 4);
    expect(await accounts.toCheck(wanted)).toMatchObject([{ deviceId: told }]);
  });

  test('forgets days that are long past', async () => {
    const accounts = createAccountRows(parts.state.db);
    await accounts.deleteBefore(dayAt + 1);
    expect(await fleetZeroLoss(accounts, dayAt)).toMatchObject({ deviceCount: 0, devices: [] });
  });
});
