import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { check } from '#contract/check.ts';
import { failureFacts } from '#contract/failure.ts';
import type { HttpResult } from '#contract/result.ts';
import { WebhookMessage } from '#contract/webhook.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

// Retries wait seconds of their own; a loaded machine takes its time on top.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const secretBytes = randomBytes(32);
const secret = `whsec_${secretBytes.toString('base64')}`;

type Received = { headers: IncomingMessage['headers']; body: string };
type Reply = (count: number, response: ServerResponse) => void;

const startReceiver = async (reply: Reply, port = 0) => {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      reply(received.length, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  stops.push(stop);
  return { received, port: (server.address() as AddressInfo).port, stop };
};

/** As a receiver would, from the specification's words alone. */
const isSigned = ({ headers, body }: Received): boolean => {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = createHmac('sha256', secretBytes).update(signed).digest('base64');
  const age = Date.now() / 1_000 - Number(headers['webhook-timestamp']);
  return headers['webhook-signature'] === `v1,${expected}` && Math.abs(age) < 300;
};

let lab: CollectorLab;
let device: Holder;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  lab = await startCollectorLab();
  device = await lab.enrollDevice('anna-laptop');
}, 120_000);
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => lab.stop());

const configure = async (appId: string, url: string): Promise<void> => {
  const answer = await lab.operator('/v1/organisation', {
    method: 'PUT',
    body: {
      version: 1,
      applications: [{ id: appId, name: 'CRM', hosts: ['app.test'], probes: [] }],
      webhooks: [{ id: appId, url, secret }],
    },
  });
  expect(answer.status).toBe(200);
};

/** Enough that the server is to blame beyond doubt. */
const makeSlow = async (appId: string): Promise<void> => {
  const answer = await lab.postBatch(
    device,
    slowResults({
      deviceId: device.id,
      appId,
      endMs: Date.now() - 120_000,
      usualCount: 30,
      slowCount: 6,
    }),
  );
  expect(answer.status).toBe(200);
};

const recover = (appId: string, agoMs: number) =>
  lab.postBatch(
    device,
    slowResults({
      deviceId: device.id,
      appId,
      endMs: Date.now() - agoMs,
      usualCount: 3,
      slowCount: 0,
    }),
  );

type Line = {
  webhookId: string;
  state: string;
  attemptCount: number;
  lastStatus: number | null;
  lastError: string | null;
};

/** Each test has a webhook named as its application. */
const deliveries = async (webhookId: string): Promise<Line[]> => {
  const { json } = await lab.operator('/v1/deliveries');
  return (json['items'] as Line[]).filter((line) => line.webhookId === webhookId);
};

test('results become a verdict, an incident and signed messages of its opening and closing', async () => {
  const receiver = await startReceiver((_count, response) => response.writeHead(204).end());
  await configure('crm', `http://127.0.0.1:${receiver.port}/hook`);
  await makeSlow('crm');
  await waitUntil(() => receiver.received.length === 1);
  const [opened] = receiver.received;
  expect(opened && isSigned(opened)).toBe(true);
  const message = check(WebhookMessage, JSON.parse(opened?.body ?? ''));
  expect(message).toMatchObject({
    ok: true,
    value: {
      type: 'verdict.opened',
      application: { id: 'crm', name: 'CRM' },
      device: { id: device.id, name: 'anna-laptop' },
      closedAt: null,
      verdict: { state: 'slow', segment: 'server' },
      url: `${lab.operatorUrl}/devices/${device.id}/applications/crm`,
    },
  });

  for (const agoMs of [90_000, 60_000, 30_000, 0]) {
    await recover('crm', agoMs);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  await waitUntil(() => receiver.received.length === 2);
  const closed = JSON.parse(receiver.received[1]?.body ?? '') as WebhookMessage;
  expect(closed.type).toBe('verdict.closed');
  expect(closed.closedAt).toBeGreaterThan(closed.openedAt);
  const states = (await deliveries('crm')).map(({ state }) => state);
  expect(states).toEqual(['delivered', 'delivered']);
});

test('an outage heard of only when it was over is kept as an incident, and nobody is told', async () => {
  const receiver = await startReceiver((_count, response) => response.writeHead(204).end());
  await configure('away', `http://127.0.0.1:${receiver.port}/hook`);
  const newest = async () => {
    const { json } = await lab.operator(`/v1/verdicts?device=${device.id}&app=away`);
    return (json['items'] as { at: number; state: string }[])[0];
  };
  const endMs = Date.now() - 30_000;
  await recover('away', 90_000);
  await waitUntil(async () => (await newest()) !== undefined);
  const runs = slowResults({
    deviceId: device.id,
    appId: 'away',
    endMs,
    usualCount: 8,
    slowCount: 0,
  });
  const failure = {
    type: 'tunnel.down' as const,
    source: failureFacts['tunnel.down'].source,
    phase: 'proxy-connect' as const,
    message: 'no edge answers',
    action: failureFacts['tunnel.down'].action,
  };
  const failedRun = (run: HttpResult): HttpResult => ({
    ...run,
    availability: 0,
    failure,
    body: { ...run.body, exchanges: [] },
  });
  const spooled = runs.map((run) => (run.startedAt < endMs - 20_000 ? failedRun(run) : run));
  expect((await lab.postBatch(device, spooled)).status).toBe(200);
  await waitUntil(async () => ((await newest())?.at ?? 0) > endMs - 10_000);
  const { json } = await lab.operator('/v1/incidents');
  type Incident = { application: { id: string }; openedAt: number; closedAt: number };
  const incidents = (json['incidents'] as Incident[]).filter(
    ({ application }) => application.id === 'away',
  );
  expect(incidents).toMatchObject([
    { state: 'closed', segment: 'client-edge', verdictState: 'failing' },
  ]);
  expect(incidents[0]?.openedAt).toBeLessThan(endMs - 20_000);
  expect(incidents[0]?.closedAt).toBeGreaterThan(endMs - 20_000);
  expect((await newest())?.state).not.toBe('failing');
  expect(await deliveries('away')).toEqual([]);
});

test('a receiver that fails twice is told again, under the same id, until it takes the message', async () => {
  const receiver = await startReceiver((count, response) =>
    response.writeHead(count <= 2 ? 500 : 200).end('x'.repeat(5_000)),
  );
  await configure('twice', `http://127.0.0.1:${receiver.port}/`);
  await makeSlow('twice');
  await waitUntil(async () => (await deliveries('twice'))[0]?.state === 'delivered', 60_000);
  expect(receiver.received).toHaveLength(3);
  expect(receiver.received.every(isSigned)).toBe(true);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  expect((await deliveries('twice'))[0]).toMatchObject({ attemptCount: 3, lastStatus: 200 });
});

test('a receiver that is down hears of it once it is up', async () => {
  const first = await startReceiver((_count, response) => response.end());
  await first.stop();
  await configure('down', `http://127.0.0.1:${first.port}/`);
  await makeSlow('down');
  await waitUntil(async () => /refused/.test(String((await deliveries('down'))[0]?.lastError)));
  const second = await startReceiver((_count, response) => response.end(), first.port);
  await waitUntil(() => second.received.length === 1, 60_000);
  expect(second.received.every(isSigned)).toBe(true);
});

test('Retry-After is honoured, and 410 is final', async () => {
  const times: number[] = [];
  const receiver = await startReceiver((count, response) => {
    times.push(performance.now());
    if (count === 1) response.writeHead(429, { 'retry-after': '3' }).end('not now');
    else response.writeHead(410).end('never again');
  });
  await configure('gone', `http://127.0.0.1:${receiver.port}/`);
  await makeSlow('gone');
  await waitUntil(async () => (await deliveries('gone'))[0]?.state === 'given-up', 60_000);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(2_900);
  expect((await deliveries('gone'))[0]).toMatchObject({
    attemptCount: 2,
    lastStatus: 410,
    lastError: 'never again',
  });
});

test('a redirect is not followed', async () => {
  const elsewhere = await startReceiver((_count, response) => response.end());
  const receiver = await startReceiver((_count, response) =>
    response.writeHead(302, { location: `http://127.0.0.1:${elsewhere.port}/` }).end(),
  );
  await configure('moved', `http://127.0.0.1:${receiver.port}/`);
  await makeSlow('moved');
  await waitUntil(async () => (await deliveries('moved'))[0]?.lastStatus === 302);
  expect(elsewhere.received).toHaveLength(0);
});
