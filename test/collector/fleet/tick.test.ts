import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBinClock } from '#collector/fleet/bin-clock.ts';
import type { Jobs } from '#collector/jobs/jobs.ts';
import * as tables from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import type { Store } from '#collector/store/store.ts';
import type { IncidentMessage } from '#contract/webhook.ts';
import { type CollectorParts, openCollectorParts } from '#test/support/collector-parts.ts';
import { makePoint } from '../store/make-point.ts';
import { createTickCollector } from './tick-collector.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const clock = createBinClock({ binSeconds: 60 });
/** Bins of one test begin here; each test has a day of its own. */
let firstBin = clock.binOf(1_790_000_000_000);

let parts: CollectorParts;
let store: Store;
let state: State;
beforeAll(async () => {
  parts = await openCollectorParts();
  ({ store, state } = parts);
});
afterAll(() => parts.stop());
beforeEach(async () => {
  firstBin += 2_000;
  const { fleetShards, fleetCheckpoints, standingCauses, sharedIncidents } = tables;
  await parts.empty(fleetShards, fleetCheckpoints, standingCauses, sharedIncidents);
  await parts.empty(tables.sharedIncidentParts, tables.lateBatches, tables.jobs);
  await parts.empty(tables.deliveries, tables.organisationVersions);
  await parts.declare({});
});

const deviceId = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** A run in the middle of a bin of the test, through an edge. */
const run = (
  bin: number,
  device: number,
  ms: number,
  more: { edge?: string; at?: number; app?: string } = {},
) =>
  makePoint(
    'http',
    clock.startOf(firstBin + bin) + 30_000 + (more.at ?? 0),
    {
      device: deviceId(device),
      app: more.app ?? 'crm',
      probe: 'p',
      via: 'tunnel',
      edge: more.edge ?? 'e1',
    },
    { ok: 1, duration_ms: ms, received_at_ms: 1 },
  );

const tunnelUp = (bin: number, device: number, edge: string) =>
  makePoint(
    'tunnel',
    clock.startOf(firstBin + bin) + 10_000,
    { device: deviceId(device), edge },
    { up: 1 },
  );

/** Bins are those of the test. */
const collector = (worker: string, engine?: Jobs['engine']) => {
  const { close, ...others } = createTickCollector(parts, { clock, worker, engine });
  return {
    ...others,
    close: (bin: number, shard?: string, passed?: number) => close(firstBin + bin, shard, passed),
  };
};

const counts = ({ state: { counts: by } }: { state: { counts: Record<string, number> } }) =>
  Object.entries(by).map(([bin, count]) => [Number(bin) - firstBin, count]);

/** Those of one device too. */
const incidentsKept = () => state.db.select().from(tables.sharedIncidents);

const waitingJobs = async (queue: string) =>
  (await state.db.select().from(tables.jobs)).filter((job) => job.queue === queue);

describe('a bin of the fleet’s evidence', () => {
  test('is about what the organisation has, whatever else an enrolled device names', async () => {
    const one = collector('one');
    const invented = Array.from({ length: 5 }, (_, at) => run(0, 1, 900, { app: `made-up-${at}` }));
    await store.write([run(0, 1, 100), ...invented]);
    await one.close(0);
    expect(one.made.map(counts)).toEqual([[[0, 1]]]);
  });

  test('is read from the store, closed once, and leaves what stands and the shared incident', async () => {
    const one = collector('one');
    await store.write([run(0, 1, 700), run(0, 2, 900), run(0, 3, 100), run(1, 1, 700)]);
    await one.close(0);
    await one.close(0);
    expect(one.made.map(counts)).toEqual([[[0, 3]]]);
    const [incident] = await one.fleetRows.list(10);
    expect(incident).toMatchObject({
      live: true,
      incident: { deviceCount: 2, healthyDeviceCount: 1 },
      affected: [
        { deviceId: deviceId(2), addedMs: 800 },
        { deviceId: deviceId(1), addedMs: 600 },
      ],
      history: [{ ms: 600, deviceCount: 2 }],
    });
    const standing = await one.fleetRows.standing(deviceId(1), 'crm');
    expect(standing?.causes?.[0]?.incidentId).toBe(incident?.id);
    expect(await one.fleetRows.standing(deviceId(3), 'crm')).toBeUndefined();
    // Neither has a verdict yet that knows of it.
    expect((await waitingJobs('diagnose')).map(({ id }) => id).sort()).toEqual([
      `${deviceId(1)}_crm`,
      `${deviceId(2)}_crm`,
    ]);
  });

  test('stands until the next one says otherwise, and the incident ends', async () => {
    const one = collector('one');
    await store.write([run(0, 1, 700), run(0, 2, 700), run(1, 1, 100), run(1, 2, 100)]);
    await one.close(0);
    await one.close(1);
    expect(await one.fleetRows.standing(deviceId(1), 'crm')).toBeUndefined();
    const [incident] = await one.fleetRows.list(10);
    expect(incident).toMatchObject({ live: false, incident: { endedAt: clock.endOf(firstBin) } });
    // Whom it hit is still known.
    expect(incident?.affected).toHaveLength(2);
  });

  test('is read in portions of bounded size, whatever it holds', async () => {
    const { readBin } = await import('#collector/fleet/read-bin.ts');
    const points = Array.from({ length: 300 }, (_, at) => run(0, 1, 100, { at: at % 100 }));
    // The same device and time only once, so each run is of a probe of its own.
    await store.write(points.map((p, i) => ({ ...p, tags: { ...p.tags, probe: `p${i}` } })));
    const range = { fromMs: clock.startOf(firstBin), toMs: clock.endOf(firstBin) };
    const sizes: number[] = [];
    for await (const part of readBin(store, range, { deviceIds: null, edgeIds: null }, 20)) {
      sizes.push(part.length);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(20);
    expect(sizes.reduce((a, b) => a + b)).toBe(300);
  });
});

describe('a restart', () => {
  test('goes on from the checkpoint and reads the bins since from the store', async () => {
    const before = collector('before');
    await store.write([0, 1, 2, 3].map((bin) => run(bin, 1, 700)));
    await before.close(0);
    await before.engines.save('organisation', 1);
    await before.close(1);
    const after = collector('after');
    await after.close(3);
    expect(after.made).toHaveLength(1);
    expect(after.made[0]?.wasSaved).toBe(true);
    expect(after.made.map(counts)).toEqual([
      [
        [0, 1],
        [1, 1],
        [2, 1],
        [3, 1],
      ],
    ]);
    const [incident, ...others] = await incidentsKept();
    expect(others).toEqual([]);
    const history = incident?.history as { atMs: number }[];
    expect(history.map(({ atMs }) => clock.binOf(atMs - 1) - firstBin)).toEqual([0, 1, 2, 3]);
  });

  test('without a checkpoint learns from what is stored, and a spoilt one is no end of it', async () => {
    await store.write([0, 40, 80].map((bin) => run(bin, 1, 100)));
    const fresh = collector('fresh');
    await fresh.close(80);
    expect(fresh.made.map(counts)).toEqual([
      [
        [0, 1],
        [40, 1],
        [80, 1],
      ],
    ]);
    const spoilt = { binMs: clock.binMs, bin: firstBin + 80, readAt: 0, bytes: Buffer.from('{') };
    await fresh.rows.saveCheckpoint('organisation', spoilt, 1);
    const next = collector('next');
    await store.write([run(81, 1, 100)]);
    await next.close(81);
    expect(next.made.map(counts)).toEqual([
      [
        [0, 1],
        [40, 1],
        [80, 1],
        [81, 1],
      ],
    ]);
  });

  test('keeps an engine of many megabytes in parts', async () => {
    const { rows } = collector('large');
    const bytes = Buffer.alloc(20_000_000, 7);
    await rows.saveCheckpoint('big', { binMs: 60_000, bin: 5, readAt: 6, bytes }, 1);
    const parts = await state.db
      .select({ part: tables.fleetCheckpoints.part })
      .from(tables.fleetCheckpoints);
    expect(parts).toHaveLength(3);
    const found = await rows.checkpoint('big');
    expect(found).toMatchObject({ bin: 5, readAt: 6 });
    expect(bytes.equals(found?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  test('what a bin was read with after a stop is not learned once more as late', async () => {
    const before = collector('before');
    await store.write([run(0, 1, 100)]);
    await before.close(0);
    await before.engines.save('organisation', 1);
    // Stored while nobody closed bins: of a closed bin, and of one that is read in full later.
    const late = [run(0, 1, 100, { at: 1 }), run(2, 1, 100)];
    await store.write(late);
    const sender = { role: 'device' as const, id: deviceId(1) };
    await before.late(
      sender,
      late.map(({ timeMs }) => timeMs),
      clock.closesAt(firstBin + 2) + 10,
    );
    const after = collector('after');
    await after.close(4);
    expect(after.made.map(counts)).toEqual([
      [
        [0, 1],
        [2, 1],
      ],
    ]);
    expect(after.made[0]?.state.lateCount).toBe(1);
  });
});

describe('of several collectors', () => {
  test('the one that has the engine is asked first, then another goes on from the checkpoint', async () => {
    const [one, two] = [collector('one', 'bullmq'), collector('two', 'bullmq')];
    await store.write([0, 1, 2].map((bin) => run(bin, 1, 700)));
    await one.close(0);
    await two.close(1);
    // Left to the first: put back with one pass more.
    expect(two.made).toEqual([]);
    expect((await waitingJobs('tick')).map(({ payload }) => payload)).toEqual([
      { shard: 'organisation', bin: firstBin + 1, passed: 1 },
    ]);
    await two.close(1, 'organisation', 8);
    expect(two.made.map(counts)).toEqual([
      [
        [0, 1],
        [1, 1],
      ],
    ]);
    // Somebody else went on: what it had in memory is of no use.
    await one.close(2, 'organisation', 8);
    expect(one.made).toHaveLength(2);
    expect(await incidentsKept()).toHaveLength(1);
  });

  test('only one writes a bin, whoever works it', async () => {
    const { fleetRows, rows } = collector('one');
    const by = { worker: 'one', workingUntil: 1, binMs: clock.binMs };
    expect(await rows.take('s', undefined, by)).toBe(true);
    expect(await rows.take('s', undefined, { ...by, worker: 'two' })).toBe(false);
    const known = await rows.shard('s');
    expect(await rows.take('s', known, { ...by, worker: 'two' })).toBe(true);
    expect(await rows.take('s', known, { ...by, worker: 'three' })).toBe(false);
    const bin = {
      ...{ shard: 's', bin: 5, toMs: 6, binMs: clock.binMs, readAt: 1, deviceCount: 1 },
      ...{ keptUntil: 1, workingUntil: 0, verdicts: [], incidents: [] },
    };
    const silent = () => ({ deliveries: [], toldTo: [], endTold: false });
    expect(await fleetRows.close({ ...bin, worker: 'one' }, silent)).toBeUndefined();
    expect(await fleetRows.close({ ...bin, worker: 'two' }, silent)).toBeDefined();
    expect(await fleetRows.close({ ...bin, worker: 'two' }, silent)).toBeUndefined();
  });
});

describe('shards by edge', () => {
  test('have the devices whose tunnel is there, and one incident of both is one', async () => {
    const one = collector('one');
    await store.write([
      ...[tunnelUp(0, 1, 'e1'), tunnelUp(0, 2, 'e1'), tunnelUp(0, 3, 'e2')],
      ...[run(0, 1, 700), run(0, 2, 700), run(0, 3, 700, { edge: 'e2' })],
      // Straight, and at no edge.
      ...[run(0, 1, 700, { edge: '', at: 5 }), run(0, 4, 100, { edge: '' })],
    ]);
    for (const shard of ['edge:e1', 'edge:e2', 'direct']) await one.close(0, shard);
    expect(one.made.map(counts)).toEqual([[[0, 3]], [[0, 1]], [[0, 1]]]);
    const incidents = await one.fleetRows.list(10);
    expect(incidents).toMatchObject([
      { live: true, incident: { deviceCount: 3, pairCount: 3, level: 'high' } },
    ]);
    expect(incidents[0]?.history).toMatchObject([{ deviceCount: 3 }]);
    const standing = await one.fleetRows.standing(deviceId(3), 'crm');
    expect(standing?.causes?.[0]?.incidentId).toBe(incidents[0]?.id);
  });
});

describe('what comes late', () => {
  test('reaches the engine with the next bin, as late', async () => {
    const one = collector('one');
    const device = { role: 'device' as const, id: deviceId(1) };
    await store.write([run(0, 1, 100), run(1, 1, 100)]);
    await one.close(0);
    await one.close(1);
    const late = [0, 1].flatMap((bin) => [1, 2].map((at) => run(bin, 1, 100, { at })));
    await store.write(late);
    const storedAt = clock.closesAt(firstBin + 1) + 10_000;
    await one.late(
      device,
      late.map(({ timeMs }) => timeMs),
      storedAt,
    );
    // In time: nothing to note.
    await one.late(device, [storedAt], storedAt);
    expect(await state.db.select().from(tables.lateBatches)).toHaveLength(1);
    await store.write([run(2, 1, 100)]);
    await one.close(2);
    await one.close(3);
    // And not the one again that came in time, between them.
    expect(one.made[0]?.state.lateCount).toBe(4);
    expect(one.made.map(counts)[0]).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });
});

describe('what is old', () => {
  test('is forgotten; an incident nobody has seen for long has ended', async () => {
    const { fleetRows, rows, close, engines } = collector('one');
    await store.write([run(0, 1, 700), run(0, 2, 700)]);
    await close(0);
    await engines.save('organisation', 1);
    const closedAt = clock.endOf(firstBin);
    const never = { endedMs: 0, seenMs: 0 };
    await fleetRows.expire(never);
    expect(await fleetRows.list(10)).toMatchObject([{ live: true }]);
    await fleetRows.expire({ ...never, seenMs: closedAt + 1 });
    expect(await fleetRows.list(10)).toMatchObject([
      { live: false, incident: { endedAt: closedAt } },
    ]);
    expect(await fleetRows.standing(deviceId(1), 'crm')).toBeUndefined();
    await rows.deleteBefore({ checkpointsMs: closedAt * 2, lateMs: closedAt * 2 });
    expect(await rows.hasCheckpoint('organisation')).toBe(false);
    expect(await rows.shard('organisation')).toBeUndefined();
    await fleetRows.expire({ ...never, endedMs: closedAt + 1 });
    expect(await fleetRows.list(10)).toEqual([]);
    expect(await state.db.select().from(tables.sharedIncidentParts)).toEqual([]);
  });
});

describe('webhooks', () => {
  const rule = { url: 'https://desk.test/', secret: `whsec_${'a'.repeat(32)}` };

  test('hear of an incident once, when it hits a second device, and of its end', async () => {
    await parts.declare({
      webhooks: [
        { id: 'all', ...rule },
        { id: 'other', ...rule, applications: ['mail'] },
        { id: 'openings', ...rule, events: ['incident.opened'] },
        { id: 'devices', ...rule, events: ['verdict.opened'] },
      ],
    });
    const one = collector('one');
    await store.write([
      run(0, 1, 700),
      ...[run(1, 1, 700), run(1, 2, 700), run(2, 1, 700), run(2, 2, 700)],
      ...[run(3, 1, 100), run(4, 1, 100)],
    ]);
    const told = async () =>
      (await state.db.select().from(tables.deliveries))
        .map(({ webhookId, eventType }) => `${webhookId} ${eventType}`)
        .sort();
    await one.close(0);
    expect(await told()).toEqual([]);
    await one.close(1);
    await one.close(2);
    expect(await told()).toEqual(['all incident.opened', 'openings incident.opened']);
    await one.close(3);
    await one.close(4);
    expect(await told()).toEqual([
      'all incident.closed',
      'all incident.opened',
      'openings incident.opened',
    ]);
    const rows = await state.db.select().from(tables.deliveries);
    const opened = rows.find(({ eventType }) => eventType === 'incident.opened');
    const message = JSON.parse(opened?.body ?? '{}') as IncidentMessage;
    expect(message).toMatchObject({
      type: 'incident.opened',
      closedAt: null,
      incident: { scope: 'application', deviceCount: 2, healthyDeviceCount: 0 },
      url: `http://pages/incidents/shared/${message.incidentId}`,
    });
  });
});
