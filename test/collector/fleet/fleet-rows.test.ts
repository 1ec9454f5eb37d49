import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createFleetRows, type SharedRow } from '#collector/control/fleet-rows.ts';
import { newDelivery } from '#collector/notify/messages.ts';
import * as tables from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { seedDevices } from '#test/support/seed.ts';
import { seedIncidentIds, sharedIncidentOf, verdictOf } from '#test/support/seed-verdicts.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const binMs = 60_000;
const nowMs = 1_790_000_040_000;

let folder: string;
let state: State;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-rows-'));
  state = await openEmptyState(join(folder, 'state'));
});
afterAll(async () => {
  await state.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const { fleetShards, sharedIncidents, sharedIncidentParts, deliveries } = tables;
  for (const table of [fleetShards, sharedIncidents, sharedIncidentParts, deliveries]) {
    await state.db.delete(table);
  }
});

const made = (id: string, bin: number, more: Partial<SharedIncident> = {}): SharedIncident => ({
  ...sharedIncidentOf('now', nowMs),
  id,
  seenAt: nowMs + bin * binMs,
  startedAt: nowMs - binMs,
  ...more,
});

const silent = ({ toldTo, endTold }: SharedRow) => ({ deliveries: [], toldTo, endTold });

/** A bin in which the shard's engine speaks of these. */
const close = async (
  bin: number,
  incidents: readonly SharedIncident[],
  tell: Parameters<ReturnType<typeof createFleetRows>['close']>[1] = silent,
  { verdicts = [], shortBinMs }: { verdicts?: readonly Verdict[]; shortBinMs?: number } = {},
) => {
  const ofMs = shortBinMs ?? binMs;
  const at = { shard: 's', bin, toMs: nowMs + bin * ofMs, binMs: ofMs };
  await state.db
    .insert(tables.fleetShards)
    .values({
      ...at,
      bin: -1,
      readAt: 0,
      deviceCount: 0,
      worker: 'w',
      keptUntil: 0,
      workingUntil: 0,
    })
    .onConflictDoNothing();
  const rows = createFleetRows(state.db, 6);
  const by = { worker: 'w', readAt: 1, deviceCount: 1_000, keptUntil: 0, workingUntil: 0 };
  const kept = await rows.close({ ...at, ...by, verdicts, incidents }, tell);
  return { rows, kept };
};

const [a, b] = [seedIncidentIds.now, seedIncidentIds.over];

test('loss of a short bin stands for half a minute, anything else until the next bin', async () => {
  const [anna, ben] = seedDevices;
  const found = (deviceId: string, kind: 'loss' | 'delay'): Verdict => {
    const verdict = verdictOf(anna, { id: 'crm', name: 'CRM', story: 'path-slow' }, nowMs);
    return { ...verdict, deviceId, at: nowMs, causes: [{ kind }] as never };
  };
  const verdicts = [found(anna.id, 'loss'), found(ben.id, 'delay')];
  const standing = async (bin: number, said: readonly Verdict[]) => {
    const { rows } = await close(bin, [], silent, { verdicts: said, shortBinMs: 4_000 });
    return Promise.all(
      [anna, ben].map(async ({ id }) => (await rows.standing(id, 'crm')) !== undefined),
    );
  };
  expect(await standing(0, verdicts)).toEqual([true, true]);
  expect(await standing(1, [])).toEqual([true, false]);
  expect(await standing(2, [found(anna.id, 'loss')])).toEqual([true, false]);
  expect(await standing(8, [])).toEqual([true, false]);
  expect(await standing(10, [])).toEqual([false, false]);
});

test('an engine that began anew opens its incident again: its devices are counted once', async () => {
  await close(0, [made(a, 0, { deviceCount: 120 })]);
  const { rows } = await close(1, [made(b, 1, { deviceCount: 120 })]);
  expect(await rows.list(9)).toMatchObject([{ live: true, incident: { deviceCount: 120 } }]);
});

test('two causes at one element have the same devices, who count once', async () => {
  const { rows } = await close(0, [
    made(a, 0, { deviceCount: 120 }),
    made(b, 0, { deviceCount: 100 }),
  ]);
  expect(await rows.list(9)).toMatchObject([{ incident: { deviceCount: 120 } }]);
});

test('between probes that are rarer than bins an incident goes on', async () => {
  await close(0, [made(a, 0)]);
  for (let bin = 1; bin < 10; bin += 1) await close(bin, []);
  const { rows } = await close(10, [made(a, 10)]);
  expect(await rows.list(9)).toMatchObject([{ live: true }]);
  for (let bin = 11; bin < 26; bin += 1) await close(bin, []);
  expect(await rows.list(9)).toMatchObject([{ live: false }]);
});

test('incidents of one device alone take no place in the list of shared ones', async () => {
  const alone = Array.from({ length: 20 }, (_, at) => {
    const element = { ...made(a, 0).element, id: `app-${at}` };
    return made(randomUUID(), 0, { element, deviceCount: 1, startedAt: nowMs });
  });
  const { rows } = await close(0, [...alone, made(a, 0, { deviceCount: 2 })]);
  expect((await rows.list(5)).map(({ id }) => id)).toEqual([a]);
});

test('of very many that open at once those of most devices are told first, the rest with the next bins', async () => {
  const many = Array.from({ length: 9 }, (_, at) => {
    const element = { ...made(a, 0).element, id: `app-${at}` };
    return made(randomUUID(), 0, { element, deviceCount: 2 + at });
  });
  const rule = { id: 'r', url: 'https://desk.test/', secret: 'x' };
  const counts: number[] = [];
  const tell = (row: SharedRow) => {
    if (row.toldTo.length > 0) return silent(row);
    counts.push(row.incident.deviceCount);
    const told = { incidentId: row.id, type: 'incident.opened', body: '{}', now: nowMs };
    return { deliveries: [newDelivery(rule, told)], toldTo: ['r'], endTold: false };
  };
  const { kept } = await close(0, many, tell);
  expect(kept?.deliveryIds).toHaveLength(6);
  expect(counts[0]).toBe(10);
  const again = await close(
    1,
    many.map((one) => ({ ...one, seenAt: nowMs + binMs })),
    tell,
  );
  expect(again.kept?.deliveryIds).toHaveLength(3);
});
