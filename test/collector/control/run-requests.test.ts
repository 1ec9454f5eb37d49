import { randomUUID } from 'node:crypto';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createConfigSource } from '#collector/control/config-source.ts';
import { createFleet } from '#collector/control/fleet.ts';
import { createHeldQuestions } from '#collector/control/held-questions.ts';
import { createOrganisationVersions } from '#collector/control/organisation-versions.ts';
import { createRunRequests, expiresAfterMs, shownState } from '#collector/control/run-requests.ts';
import type { State } from '#collector/state/state.ts';
import { collectorServerName } from '#contract/enrollment.ts';
import { createAuthority } from '#runtime/certificates.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';

describe('over the API', () => {
  let lab: CollectorLab;
  let holder: Holder;
  beforeAll(async () => {
    lab = await startCollectorLab();
    holder = await lab.enrollDevice('laptop-7');
    await lab.operator('/v1/organisation', {
      method: 'PUT',
      body: {
        version: 1,
        applications: [
          {
            id: 'shop',
            name: 'Shop',
            hosts: ['shop.test'],
            probes: [{ type: 'http', url: 'https://shop.test/' }],
          },
        ],
      },
    });
  }, 120_000);
  afterAll(() => lab.stop(), 60_000);

  const post = (body: unknown, options: { token?: string; id?: string } = {}) =>
    lab.operator(`/v1/devices/${options.id ?? holder.id}/runs`, {
      method: 'POST',
      body,
      ...(options.token === undefined ? {} : { token: options.token }),
    });

  const askConfig = (headers: Record<string, string>, as = holder) =>
    lab.device('/v1/config', { as, headers });

  const requestsIn = (payload: unknown): { id: string }[] | undefined =>
    (JSON.parse(String(payload)) as { requests?: { id: string }[] }).requests;

  test.each([
    ['neither application nor probes', {}, ''],
    ['both', { application: 'shop', probes: ['shop-http'] }, ''],
    ['a probe the plan does not have', { probes: ['nothing'] }, '/probes'],
    ['an application nobody declared', { application: 'nothing' }, '/application'],
    [
      'a burst of more than five minutes',
      { application: 'shop', burst: { everySeconds: 1, forSeconds: 301 } },
      '/burst/forSeconds',
    ],
    [
      'a burst of more than one a second',
      { application: 'shop', burst: { everySeconds: 0.5, forSeconds: 10 } },
      '/burst/everySeconds',
    ],
  ])('%s is refused by the name of its field', async (_, body, pointer) => {
    const { status, json } = await post(body);
    expect(status).toBe(400);
    expect((json['errors'] as { pointer: string }[]).map((each) => each.pointer)).toEqual([
      pointer,
    ]);
  });

  test('only an admin may ask, and only of a device that is there and not revoked', async () => {
    const made = await lab.operator('/v1/operators', {
      method: 'POST',
      body: { name: 'kim', role: 'viewer' },
    });
    const token = String(made.json['token']);
    expect((await post({ application: 'shop' }, { token })).status).toBe(403);
    expect((await post({ application: 'shop' }, { id: randomUUID() })).status).toBe(404);
    const gone = await lab.enrollDevice('gone');
    await lab.operator(`/v1/devices/${gone.id}/revoke`, { method: 'POST' });
    expect((await post({ application: 'shop' }, { id: gone.id })).status).toBe(404);
    // Who may look may see how far it is.
    const other = await lab.enrollDevice('other');
    const { id } = (await post({ probes: ['shop-http'] }, { id: other.id })).json;
    const path = `/v1/devices/${other.id}/runs/${id}`;
    expect((await lab.operator(path, { token })).json).toMatchObject({ state: 'queued' });
    expect((await lab.operator(`/v1/devices/${holder.id}/runs/${id}`)).status).toBe(404);
  });

  test('a held question is answered in the moment something is asked, signed, with a new tag', async () => {
    const before = await askConfig({});
    const etag = String(before.headers['etag']);
    const beganMs = performance.now();
    const held = askConfig({ 'if-none-match': etag, prefer: 'wait=50' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const asked = await post({ application: 'shop', har: true });
    const answer = await held;
    expect(performance.now() - beganMs).toBeLessThan(20_000);
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'preference-applied': 'wait=50' },
    });
    expect(answer.headers['etag']).not.toBe(etag);
    expect(requestsIn(answer.json['payload'])).toMatchObject([
      { id: asked.json['id'], order: { probes: ['shop-http', 'shop-http-direct'], har: true } },
    ]);
    // An agent that does not know of requests would refuse a config with some.
    const old = await askConfig({});
    expect(old.headers).toMatchObject({ etag });
    expect(requestsIn(old.json['payload'])).toBeUndefined();
    // Of another device nobody asked anything.
    const other = await askConfig({ prefer: 'wait=0' }, await lab.enrollDevice('third'));
    expect(requestsIn(other.json['payload'])).toBeUndefined();
  });

  test('what older programs would refuse in a config goes only to those that ask for it', async () => {
    const configFor = async (prefer: string) =>
      JSON.parse(String((await askConfig({ prefer })).json['payload']));
    const newer = await configFor('wait=0, burst');
    expect(newer).toMatchObject({ burst: { deviceRatio: 1 }, siteKey: expect.any(String) });
    const older = await configFor('wait=0');
    expect(Object.keys(older)).not.toContain('burst');
    expect(Object.keys(older)).not.toContain('siteKey');
  });

  test('a held question without news is answered when its time is over; of a revoked device the next is refused', async () => {
    const device = await lab.enrollDevice('patient');
    const etag = String((await askConfig({}, device)).headers['etag']);
    const beganMs = performance.now();
    const unchanged = await askConfig({ 'if-none-match': etag, prefer: 'wait=1' }, device);
    expect(unchanged).toMatchObject({ status: 304, headers: { 'preference-applied': 'wait=1' } });
    expect(performance.now() - beganMs).toBeGreaterThan(950);
    const held = askConfig({ 'if-none-match': etag, prefer: 'wait=2' }, device);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await lab.operator(`/v1/devices/${device.id}/revoke`, { method: 'POST' });
    expect((await held).status).toBe(304);
    expect((await askConfig({ 'if-none-match': etag }, device)).status).toBe(403);
  });

  test('a device has one held question: the next it asks ends it, and takes no other’s place', async () => {
    const device = await lab.enrollDevice('eager');
    const etag = String((await askConfig({}, device)).headers['etag']);
    const beganMs = performance.now();
    const ask = () => askConfig({ 'if-none-match': etag, prefer: 'wait=50' }, device);
    const first = ask();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const second = ask();
    expect((await first).status).toBe(304);
    await post({ application: 'shop' }, { id: device.id });
    expect((await second).status).toBe(200);
    expect(performance.now() - beganMs).toBeLessThan(20_000);
  });

  test('a connection with many requests under way is ended, and the places stay with the others', async () => {
    const device = await lab.enrollDevice('pipelining');
    const etag = String((await askConfig({}, device)).headers['etag']);
    const { hostname, port } = new URL(lab.deviceUrl);
    const socket = connect({
      host: hostname,
      port: Number(port),
      servername: collectorServerName,
      rejectUnauthorized: false,
      cert: device.certificatePem,
      key: device.privateKeyPem,
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const question = `GET /v1/config HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${etag}\r\nPrefer: wait=50\r\n\r\n`;
    socket.resume();
    socket.write(question.repeat(500));
    await closed;
    const own = String((await askConfig({})).headers['etag']);
    const held = await askConfig({ 'if-none-match': own, prefer: 'wait=1' }, holder);
    expect(held).toMatchObject({ headers: { 'preference-applied': 'wait=1' } });
  }, 30_000);

  test('what a device says of its request counts once and never backwards; of another’s not at all', async () => {
    const device = await lab.enrollDevice('reporter');
    const { id } = (await post({ probes: ['shop-http'] }, { id: device.id })).json;
    const report = (state: string, madeCount: number, as = device) =>
      lab.postBatch(as, [
        {
          kind: 'run-report',
          id: randomUUID(),
          deviceId: as.id,
          requestId: id,
          at: Date.now(),
          state,
          madeCount,
          lostCount: 0,
          reason: '',
        },
      ]);
    const look = async () => (await lab.operator(`/v1/devices/${device.id}/runs/${id}`)).json;
    expect((await report('picked-up', 0, holder)).status).toBe(200);
    expect(await look()).toMatchObject({ state: 'queued' });
    await report('picked-up', 0);
    await report('running', 1);
    await report('done', 1);
    expect(await look()).toMatchObject({ state: 'done', madeCount: 1 });
    await report('running', 0);
    expect(await look()).toMatchObject({ state: 'done', madeCount: 1 });
    // Picked up: not handed out again.
    const { json } = await askConfig({ prefer: 'wait=0' }, device);
    expect(requestsIn(json['payload'])).toBeUndefined();
  });
});

describe('in the state', () => {
  let state: State;
  const folder = makeFolder('run-requests');
  beforeAll(async () => {
    state = await openEmptyState(folder);
  }, 60_000);
  afterAll(async () => {
    await state.stop();
    removeFolder(folder);
  }, 60_000);

  test('a request that nobody picks up expires after five minutes and makes room for another', async () => {
    const requests = createRunRequests(state.db);
    const deviceId = randomUUID();
    const now = Date.now();
    const create = (at: number) =>
      requests.create({ deviceId, order: { probes: ['a'] } }, 'operator:test', at);
    const row = await create(now);
    for (let i = 0; i < 3; i += 1) await create(now);
    await expect(create(now)).rejects.toThrow('are not done yet');
    expect(await requests.openFor(deviceId, now)).toHaveLength(4);
    expect(shownState(row, now)).toBe('queued');
    const later = now + expiresAfterMs;
    expect(await requests.openFor(deviceId, later)).toEqual([]);
    expect(shownState(row, later)).toBe('expired');
    await expect(create(later)).resolves.toMatchObject({ state: 'queued' });
    await requests.deleteBefore(now + 1);
    expect(await requests.find(deviceId, row.id)).toBeUndefined();
  });

  test('a question held at one collector wakes when something is asked at another', async () => {
    const requests = createRunRequests(state.db);
    const [asked, other] = [randomUUID(), randomUUID()];
    const held = createHeldQuestions({
      edgeNews: async () => '',
      devicesAskedSince: requests.devicesAskedSince,
      now: Date.now,
      onError: (error) => {
        throw error;
      },
    });
    const woken: string[] = [];
    const { signal } = new AbortController();
    for (const id of [asked, other]) {
      void held.hold(id, 60_000, signal).then(() => woken.push(id));
    }
    const order = { probes: ['a'] };
    await requests.create({ deviceId: asked, order }, 'operator:test', Date.now());
    await waitUntil(() => woken.length > 0, 30_000);
    expect(woken).toEqual([asked]);
    held.stop();
    await waitUntil(() => woken.length === 2);
    expect(held.hasRoom(asked)).toBe(false);
  });

  test('a device’s config is compiled from a document that is read once a version', async () => {
    const organisations = createOrganisationVersions(state.db);
    const authority = await createAuthority('test');
    let readCount = 0;
    const source = createConfigSource({
      organisations: {
        currentNumber: organisations.currentNumber,
        current: () => {
          readCount += 1;
          return organisations.current();
        },
      },
      fleet: createFleet(state.db),
      authority,
      captivePortalUrl: () => '',
      runRequests: createRunRequests(state.db),
      now: Date.now,
    });
    const takes = { takesNews: true, takesBurst: true };
    const tagOf = async () => (await source.of({ role: 'device', id: randomUUID() }, takes)).tag;
    const apply = (name: string) =>
      organisations.apply(
        { version: 1, applications: [{ id: 'shop', name, hosts: ['shop.test'], probes: [] }] },
        { actor: 'operator:test', action: 'test', expectedVersion: undefined },
        Date.now(),
      );
    await apply('Shop');
    await tagOf();
    await tagOf();
    expect(readCount).toBe(1);
    await apply('The shop');
    await tagOf();
    expect(readCount).toBe(2);
  });

  test('ten thousand questions of one device take one place', async () => {
    const held = createHeldQuestions({
      edgeNews: async () => '',
      devicesAskedSince: async () => [],
      now: Date.now,
      onError: () => {},
    });
    const { signal } = new AbortController();
    const [greedy, other] = [randomUUID(), randomUUID()];
    const questions = Array.from({ length: 10_001 }, () => held.hold(greedy, 60_000, signal));
    expect(held.hasRoom(other)).toBe(true);
    expect(await Promise.race([held.hold(other, 5, signal), questions.at(-1)])).toBe('over');
    held.wake(greedy);
    const outcomes = await Promise.all(questions);
    expect(outcomes.filter((outcome) => outcome === 'news')).toHaveLength(1);
    held.stop();
  });
});
