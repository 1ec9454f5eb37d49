import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeviceZeroLoss } from '#collector/zero-loss/views.ts';
import type { HttpResult } from '#contract/result.ts';
import type { RunAccount } from '#contract/telemetry.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';

const dayMs = 86_400_000;
const dayAt = Math.floor(Date.now() / dayMs) * dayMs - 2 * dayMs;
const day = new Date(dayAt).toISOString().slice(0, 10);
const bookId = randomUUID();

let lab: CollectorLab;
let device: Holder;
beforeAll(async () => {
  lab = await startCollectorLab({ diagnoseDelayMs: 600_000 });
}, 120_000);
afterAll(() => lab.stop(), 60_000);

/** Planned runs of one probe, one every five seconds until noon. */
const plannedResults = (deviceId: string, count: number, probeId = 'crm'): HttpResult[] =>
  slowResults({ deviceId, appId: 'crm', endMs: dayAt + dayMs / 2, usualCount: count, slowCount: 0 })
    .filter(({ via }) => via === 'tunnel')
    .map((result) => ({ ...result, probeId, self: { ...result.self, latenessMs: 1 } }));

type Line = Partial<RunAccount['probes'][number]>;
const account = (sequence: number, lines: Line[], changes: Partial<RunAccount> = {}) => ({
  kind: 'account',
  id: randomUUID(),
  deviceId: device.id,
  bookId,
  sequence,
  at: Date.now(),
  fromAt: dayAt,
  untilAt: dayAt + dayMs,
  probes: lines.map((line) => ({
    probeId: 'crm',
    plannedCount: 0,
    lost: {},
    underwayCount: 0,
    ...line,
  })),
  ...changes,
});

const send = async (...records: object[]) => (await lab.postBatch(device, records)).status;

const deviceDay = async () => {
  const answer = await lab.operator(`/v1/devices/${device.id}/zero-loss?from=${day}&to=${day}`);
  expect(answer.status).toBe(200);
  return (answer.json as unknown as DeviceZeroLoss).days[0];
};

describe('the zero-loss ledger', () => {
  test('comes out where every planned run is stored or has its reason', async () => {
    device = await lab.enrollDevice();
    const lost = { asleep: 3, 'spool-full': 1 };
    await send(...plannedResults(device.id, 6), account(1, [{ plannedCount: 10, lost }]));
    expect(await deviceDay()).toMatchObject({
      ...{ day, isTold: true, plannedCount: 10, storedCount: 6, unexplainedCount: 0 },
      lost: { asleep: 3, 'spool-full': 1, stopped: 0, overrun: 0, refused: 0 },
      probes: [{ probeId: 'crm', plannedCount: 10, storedCount: 6, duplicateCount: 0 }],
    });
  });

  test('goes by the newest account, in whatever order and however often they come', async () => {
    device = await lab.enrollDevice();
    const results = plannedResults(device.id, 5);
    const newest = account(7, [{ plannedCount: 5 }]);
    await send(newest, account(3, [{ plannedCount: 2 }]));
    await send(account(6, [{ plannedCount: 4 }]), ...results, newest);
    await send(...results.slice(2));
    expect(await deviceDay()).toMatchObject({
      plannedCount: 5,
      storedCount: 5,
      unexplainedCount: 0,
    });
  });

  test('shows a result that is gone without a reason, and one more than was planned', async () => {
    device = await lab.enrollDevice();
    await send(
      ...plannedResults(device.id, 4, 'gone'),
      ...plannedResults(device.id, 4, 'more'),
      account(1, [
        { probeId: 'gone', plannedCount: 6, lost: { overrun: 1 } },
        { probeId: 'more', plannedCount: 3 },
      ]),
    );
    const probes = (await deviceDay())?.probes ?? [];
    expect(probes.map((one) => [one.probeId, one.unexplainedCount])).toEqual([
      ['gone', 1],
      ['more', -1],
    ]);
  });

  test('counts what ingest refuses of planned runs, once however often it is sent', async () => {
    device = await lab.enrollDevice();
    const [good, ...others] = plannedResults(device.id, 3);
    const wrong = others.map((result) => ({ ...result, availability: 2 }));
    const beside = { ...wrong[0], requestId: randomUUID() };
    const id = randomUUID();
    const records = [good, ...wrong, beside, account(1, [{ plannedCount: 3 }])];
    for (let i = 0; i < 2; i += 1) await lab.postBatch(device, records, id);
    expect(await deviceDay()).toMatchObject({
      ...{ plannedCount: 3, storedCount: 1, unexplainedCount: 0 },
      lost: { refused: 2 },
    });
  });

  test('lets runs under way be stored before the account that counts them', async () => {
    device = await lab.enrollDevice();
    await send(
      ...plannedResults(device.id, 5),
      account(1, [{ plannedCount: 4, underwayCount: 1 }]),
    );
    expect(await deviceDay()).toMatchObject({ underwayCount: 1, unexplainedCount: 0 });
    await send(account(2, [{ plannedCount: 3, underwayCount: 1 }]));
    expect(await deviceDay()).toMatchObject({ unexplainedCount: -1 });
  });

  test('says of a device without accounts that it told none, and not that anything is lost', async () => {
    device = await lab.enrollDevice();
    await send(...plannedResults(device.id, 4));
    expect(await deviceDay()).toMatchObject({
      ...{ isTold: false, plannedCount: 0, storedCount: 4, unexplainedCount: 0 },
    });
  });

  test('looks only at the part of a day that an account is about', async () => {
    device = await lab.enrollDevice();
    const fromAt = dayAt + dayMs / 2 - 12_500;
    await send(...plannedResults(device.id, 6), account(1, [{ plannedCount: 2 }], { fromAt }));
    expect(await deviceDay()).toMatchObject({ fromAt, storedCount: 2, unexplainedCount: 0 });
  });
});

test.each([
  ['/v1/zero-loss?day=yesterday', '/day'],
  ['/v1/devices/ID/zero-loss?from=2026-13-01', '/from'],
  ['/v1/devices/ID/zero-loss?from=2026-01-02&to=2026-01-01', '/from'],
  ['/v1/devices/ID/zero-loss?from=2026-01-01&to=2026-03-01', '/from'],
])('%s names the field that is wrong', async (path, pointer) => {
  const answer = await lab.operator(path.replace('ID', device.id));
  expect(answer.status).toBe(400);
  expect(answer.json['errors']).toMatchObject([{ pointer }]);
});
