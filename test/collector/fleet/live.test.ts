import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createDeliveryRows } from '#collector/control/delivery-rows.ts';
import { createEngineRows } from '#collector/control/engine-rows.ts';
import { createFleet } from '#collector/control/fleet.ts';
import { createFleetRows } from '#collector/control/fleet-rows.ts';
import { createOrganisationVersions } from '#collector/control/organisation-versions.ts';
import { createVerdictRows } from '#collector/control/verdict-rows.ts';
import { readingOfPoint } from '#collector/diagnose/fleet/reading-of-point.ts';
import { createBinClock } from '#collector/fleet/bin-clock.ts';
import { startEngineThread } from '#collector/fleet/engine-thread.ts';
import { startFleetDiagnosis } from '#collector/fleet/fleet-diagnosis.ts';
import { createJudge } from '#collector/judge.ts';
import { createDeliver } from '#collector/notify/deliver.ts';
import * as tables from '#collector/state/schema.ts';
import { toPoints } from '#collector/store/points.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { WebhookMessage } from '#contract/webhook.ts';
import { silentLog } from '#runtime/log.ts';
import { type CollectorParts, openCollectorParts } from '#test/support/collector-parts.ts';
import { requestOf } from '#test/support/seed-results.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const clock = createBinClock({ binSeconds: 60 });
const firstBin = clock.binOf(1_790_000_000_000);
const usualBins = 40;
const log = silentLog();
const time = { nowMs: 0 };
const now = () => time.nowMs;
const devices = Array.from({ length: 6 }, (_, n) => ({
  id: `00000000-0000-4000-8000-00000000000${n}`,
  edge: n % 2 === 0 ? 'fra-1' : 'ams-1',
}));
const application = { id: 'sales', host: 'sales.example', story: 'server-slow' };
const otherOne = { id: 'mail', host: 'mail.example', story: 'fine' };

let collector: CollectorParts;
beforeAll(async () => {
  collector = await openCollectorParts();
});
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
  await collector.stop();
});

/** Each device's runs in some bins, three a bin through the tunnel. */
const measure = async (fromBin: number, toBin: number, isSlow: boolean): Promise<void> => {
  const points = [];
  for (
    let at = clock.startOf(firstBin + fromBin);
    at < clock.startOf(firstBin + toBin);
    at += 20_000
  ) {
    for (const [index, device] of devices.entries()) {
      for (const one of [application, otherOne]) {
        const run = {
          device,
          application: one,
          via: 'tunnel' as const,
          at: at + index * 700,
          isSlow,
        };
        points.push(...toPoints(requestOf(run), at));
      }
    }
  }
  await collector.store.write(points);
};

test('a server that gets slow for all is one incident, one message, and each device’s answer', async () => {
  const webhook = { id: 'desk', url: 'https://desk.test/', secret: `whsec_${'a'.repeat(32)}` };
  const { store, state, jobs } = collector;
  await collector.declare({
    applications: [
      { id: 'sales', name: 'Sales tool', hosts: [], probes: [] },
      { id: 'mail', name: 'Mail', hosts: [], probes: [] },
    ],
    webhooks: [webhook],
  });
  await state.db.insert(tables.edges).values(
    ['fra-1', 'ams-1'].map((id) => ({
      ...{ id, host: 'edge.test', port: 443, location: '', programVersion: '1.0.0' },
      ...{ certificateSerial: id, certificateNotAfter: 0, enrolledAt: 0 },
    })),
  );
  const fleetRows = createFleetRows(state.db);
  const verdicts = createVerdictRows(state.db);
  const organisations = createOrganisationVersions(state.db);
  const parts = {
    ...{ store, jobs, clock, log, now, fleetRows, verdicts, organisations },
    fleet: createFleet(state.db),
    engineRows: createEngineRows(state.db),
    deliveries: createDeliveryRows(state.db),
    shardBy: 'organisation' as const,
    pagesUrl: () => 'http://pages',
    signal: new AbortController().signal,
  };
  time.nowMs = clock.closesAt(firstBin + usualBins);
  const fleetDiagnosis = startFleetDiagnosis(parts);
  stops.push(fleetDiagnosis.stop);
  const close = async (bin: number) => {
    time.nowMs = clock.closesAt(firstBin + bin);
    await fleetDiagnosis.tick({ shard: 'organisation', bin: firstBin + bin, passed: 0 });
  };
  await measure(0, usualBins, false);
  await close(usualBins - 1);
  expect(await fleetRows.list(10)).toEqual([]);

  await measure(usualBins, usualBins + 2, true);
  // Before the bin is judged each device speaks for itself: the first at once, others wait.
  time.nowMs = clock.endOf(firstBin + usualBins);
  const judge = createJudge({ ...parts, onVerdict: () => undefined });
  for (const { id } of devices.slice(0, 2)) await judge({ deviceId: id, appId: 'sales' });
  await close(usualBins);
  await close(usualBins + 1);

  const [incident, ...others] = await fleetRows.list(10);
  expect(others).toEqual([]);
  expect(incident).toMatchObject({
    live: true,
    toldTo: ['desk'],
    incident: { segment: 'server', scope: 'application', deviceCount: 6 },
  });
  expect(incident?.incident.element.id).toContain('sales');
  for (const { id } of devices) await judge({ deviceId: id, appId: 'sales' });
  await judge({ deviceId: devices[0]?.id ?? '', appId: 'mail' });
  const rows = await verdicts.list({}, 100);
  const made = rows.map(({ verdict }) => verdict as Verdict);
  expect(made.filter(({ appId }) => appId === 'mail').map((one) => one.state)).toEqual(['ok']);
  for (const verdict of made.filter(({ appId }) => appId === 'sales')) {
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
    expect(verdict.causes?.[0]).toMatchObject({ incidentId: incident?.id, deviceCount: 6 });
  }

  const told = await state.db.select().from(tables.deliveries);
  const opened = told.filter(({ eventType }) => eventType === 'verdict.opened');
  expect(told.filter(({ eventType }) => eventType === 'incident.opened')).toHaveLength(1);
  const deviceOf = ({ body }: { body: string }) => (JSON.parse(body) as WebhookMessage).device.id;
  expect(opened.map(deviceOf).sort()).toEqual(devices.slice(0, 2).map(({ id }) => id));
  // The second one waited, and is not needed any more.
  const second = opened.find((delivery) => deviceOf(delivery) === devices[1]?.id);
  const waiting = (await state.db.select().from(tables.jobs)).filter(({ id }) => id === second?.id);
  expect(waiting[0]?.runAt).toBeGreaterThan(Date.now() + 1_000);
  await createDeliver(parts)(second?.id ?? '');
  const after = await parts.deliveries.find(second?.id ?? '');
  expect(after).toMatchObject({ state: 'given-up', lastError: `told as incident ${incident?.id}` });
});

test('an engine’s thread goes on from what was saved, refuses what was not, and ends when told', async () => {
  const config = { binMs: clock.binMs, facts: { devices: {}, edges: {}, applications: {} } };
  const first = await startEngineThread(config);
  const points = devices.flatMap((device) =>
    toPoints(
      requestOf({
        ...{ device, application, via: 'tunnel', isSlow: false },
        at: clock.startOf(firstBin) + 1_000,
      }),
      0,
    ),
  );
  await first.observe(points.flatMap((point) => readingOfPoint(point) ?? []));
  expect(await first.advanceTo(clock.endOf(firstBin))).toMatchObject([
    { toMs: clock.endOf(firstBin), verdicts: [], incidents: [] },
  ]);
  const saved = await first.save();
  await first.stop();
  await expect(first.save()).rejects.toThrow('has ended');
  const second = await startEngineThread(config, saved.slice());
  expect(Buffer.from(await second.save()).equals(saved)).toBe(true);
  await second.stop();
  await expect(startEngineThread(config, Buffer.from('{"version":0}'))).rejects.toThrow(
    'saved by another version',
  );
});
