import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';
import { slowResults } from '#test/support/slow-results.ts';

let influxdb: Awaited<ReturnType<typeof startInfluxdb>>;
let lab: CollectorLab;
let device: Holder;
beforeAll(async () => {
  influxdb = await startInfluxdb();
  lab = await startCollectorLab({
    store: { engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
    diagnoseDelayMs: 600_000,
  });
  device = await lab.enrollDevice();
}, 120_000);
afterAll(async () => {
  await lab.stop();
  await influxdb.stop();
}, 60_000);

test('points that the engine will never take are given up, not offered for ever', async () => {
  // Somebody else's writer made a text of what is a number of ours: InfluxDB keeps the first kind.
  const endMs = Date.now();
  const line = `tunnel,device=x,edge=e controlRtt="text",control_rtt_ms="text" ${endMs}`;
  const spoilt = await fetch(`${influxdb.url}/write?db=whyslow&precision=ms`, {
    method: 'POST',
    body: line,
  });
  expect(spoilt.status).toBe(204);

  const good = slowResults({
    deviceId: device.id,
    appId: 'app',
    endMs,
    usualCount: 3,
    slowCount: 0,
  });
  const refused = {
    kind: 'tunnel',
    id: good[0]?.id,
    deviceId: device.id,
    edgeId: 'e',
    at: endMs,
    state: 'up',
    controlRttMs: 3,
    dataRttMs: null,
    queueMs: null,
    handshakeMs: null,
    underlayRttMs: null,
    sessionCount: 1,
    streamCount: 0,
    upBytes: 0,
    downBytes: 0,
    reconnectCount: 0,
    pingLostCount: 0,
    pingSentCount: 1,
  };
  const answer = await lab.postBatch(device, [...good, refused]);
  expect(answer.status).toBe(200);

  const stored = await fetch(`${influxdb.url}/query?db=whyslow&q=SELECT count("ok") FROM "http"`);
  const { results } = (await stored.json()) as { results: { series: { values: number[][] }[] }[] };
  expect(results[0]?.series[0]?.values[0]?.[1]).toBe(good.length);
});
