import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { burstHeader, formatBurstNotice } from '#contract/burst.ts';
import { check } from '#contract/check.ts';
import { edgeServerName } from '#contract/enrollment.ts';
import { EdgeSample, type FlowRecord } from '#contract/telemetry.ts';
import { readCategories } from '#edge/category-file.ts';
import type { EdgeService } from '#edge/server.ts';
import type { BurstAsked } from '#edge/suspicion/onward-bursts.ts';
import { startSupervisor } from '#edge/workers/supervisor.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  emptyPolicy,
  loopbackApplication,
  readAll,
  sha256,
} from '#test/support/edge-lab.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** An edge of two processes. */
let lab: EdgeLab;
let edge: EdgeService;
let identity: Identity;
const all: ClientHttp2Session[] = [];
const replaced: string[] = [];
const flows: FlowRecord[] = [];
const suspected: BurstAsked[] = [];
const policy = { ...emptyPolicy('e1'), ...loopbackApplication };
const concurrentFlows = 100;

beforeAll(async () => {
  lab = await createEdgeLab();
  identity = await lab.device();
  edge = await startSupervisor({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: await lab.edgeCertificate('e1'),
    limits: { concurrentFlows },
    workerCount: 2,
    onReplaced: (reason) => replaced.push(reason),
    onFlow: (record) => flows.push(record),
    onBurst: (asked) => suspected.push(asked),
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy(policy);
});
afterEach(async () => {
  const open = all.splice(0).filter((session) => !session.destroyed);
  for (const session of open) session.destroy();
  if (open.length > 0) await waitUntil(async () => (await edge.takeSample()).sessionCount === 0);
});
afterAll(() => lab.stop());

const open = async (who = identity): Promise<ClientHttp2Session> => {
  const session = http2.connect(`https://127.0.0.1:${edge.address.port}`, {
    servername: edgeServerName('e1'),
    ca: who.caCertificatePem,
    cert: who.certificatePem,
    key: who.privateKeyPem,
  });
  session.on('error', () => {});
  all.push(session);
  await once(session, 'remoteSettings');
  return session;
};

const connectTo = (session: ClientHttp2Session, port: number): ClientHttp2Stream => {
  const authority = `app.test:${port}`;
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  stream.on('error', () => {});
  return stream;
};

const statusOf = async (stream: ClientHttp2Stream): Promise<number> => {
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  return Number(headers[':status']);
};

const workerPids = (): number[] => {
  const { pid } = process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const isWorker = (child: string) =>
    readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker-child');
  return children.filter((child) => child !== '' && isWorker(child)).map(Number);
};

it('spreads sessions over its processes, and reports as one edge', async () => {
  const origin = await lab.origin((socket) => socket.pipe(socket));
  const sessions = await Promise.all([open(), open(), open(await lab.device()), open()]);
  const sent = randomBytes(300_000);
  for (const session of sessions) {
    const stream = connectTo(session, origin.port);
    expect(await statusOf(stream)).toBe(200);
    stream.end(sent);
    expect(sha256(await readAll(stream))).toBe(sha256(sent));
  }
  expect(workerPids()).toHaveLength(2);
  await waitUntil(() => flows.length === 4);
  const sample = await edge.takeSample();
  expect(check(EdgeSample, sample)).toMatchObject({ ok: true });
  expect(sample).toMatchObject({
    workerCount: 2,
    sessionCount: 4,
    deviceCount: 2,
    flowCount: 4,
    upBytes: 1_200_000,
    downBytes: 1_200_000,
  });
  // Two processes that carry flows and the one above them.
  expect(sample.memoryBytes).toBeGreaterThan(sample.workerMemoryMaxBytes ?? Infinity);
});

it('passes on a device’s suspicion, whichever process its session is in', async () => {
  const origin = await lab.origin((socket) => socket.end());
  const burstId = '0b5d5e8e-7a51-4c5c-9a44-3f1f6f0f7e99';
  for (const session of await Promise.all([open(), open()])) {
    const stream = session.request({
      ':method': 'CONNECT',
      ':authority': `app.test:${origin.port}`,
      [burstHeader]: formatBurstNotice({ burstId, forSeconds: 30 }),
    });
    stream.on('error', () => {});
    await statusOf(stream);
  }
  await waitUntil(() => suspected.length === 2);
  const destination = { host: 'app.test', port: origin.port };
  const deviceId = identity.id;
  expect(suspected).toEqual(Array(2).fill({ deviceId, burstId, forSeconds: 30, destination }));
});

it('holds a device to its limit whatever processes its sessions are in', async () => {
  const origin = await lab.origin((socket) => socket.resume());
  const sessions = await Promise.all([open(), open(), open(), open()]);
  const streams = Array.from({ length: 200 }, (_, index) =>
    connectTo(sessions[index % 4] as ClientHttp2Session, origin.port),
  );
  const statuses = await Promise.all(streams.map(statusOf));
  const opened = statuses.filter((status) => status === 200).length;
  expect(opened).toBeLessThanOrEqual(concurrentFlows);
  // Each process may hold two lots of 16 that it does not use.
  expect(opened).toBeGreaterThanOrEqual(concurrentFlows - 2 * 16);
  expect(statuses.filter((status) => status === 429)).toHaveLength(200 - opened);
  expect(sessions.some((session) => session.closed)).toBe(false);
  const other = connectTo(await open(await lab.device()), origin.port);
  expect(await statusOf(other)).toBe(200);
});

it('ends all sessions of a device that is revoked, in every process', async () => {
  const revoked = await lab.device();
  const others = await open();
  const sessions = await Promise.all([open(revoked), open(revoked), open(revoked)]);
  const ended = sessions.map((session) => new Promise((done) => session.once('close', done)));
  edge.setPolicy({ ...policy, revokedDevices: [revoked.id] });
  await Promise.all(ended);
  expect(others.closed).toBe(false);
  edge.setPolicy(policy);
});

it('keeps rules by category in every process', async () => {
  const file = join(await makeTemporaryFolder(), 'categories.txt');
  await writeFile(file, 'app.test games\n');
  edge.setCategories(await readCategories(file), file);
  edge.setPolicy({
    ...policy,
    access: [
      {
        id: 'no-games',
        action: 'block',
        hosts: ['*'],
        ports: [],
        devices: [],
        categories: ['games'],
      },
    ],
  });
  const sessions = [await open(), await open()];
  for (const session of sessions) {
    await waitUntil(async () => (await statusOf(connectTo(session, 9))) === 403);
  }
  edge.setPolicy(policy);
});

it('replaces a process that ends by itself; flows of the others go on', async () => {
  const origin = await lab.origin((socket) => socket.pipe(socket));
  const sessions = await Promise.all([open(), open()]);
  const streams = sessions.map((session) => connectTo(session, origin.port));
  expect(await Promise.all(streams.map(statusOf))).toEqual([200, 200]);
  const [victim] = workerPids();
  process.kill(victim as number, 'SIGKILL');
  await waitUntil(() => replaced.length === 1);
  expect(replaced[0]).toContain(`process ${victim}) ended: SIGKILL`);
  await waitUntil(() => sessions.filter((session) => session.destroyed).length === 1);
  const going = streams.find((stream) => !stream.destroyed);
  going?.end('still here');
  expect(String(await readAll(going as ClientHttp2Stream))).toBe('still here');
  await waitUntil(async () => (await edge.takeSample()).workerCount === 2, 20_000);
  const fresh = await Promise.all([open(), open(), open()]);
  for (const session of fresh) {
    const stream = connectTo(session, origin.port);
    expect(await statusOf(stream)).toBe(200);
  }
});

it('lets open flows end when it stops, takes no new connection, and leaves no process', async () => {
  const content = randomBytes(2_000_000);
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const origin = await lab.origin((socket) => {
    socket.write(content.subarray(0, 1_000));
    void gate.then(() => socket.end(content.subarray(1_000)));
  });
  const sessions = await Promise.all([open(), open()]);
  const streams = Array.from({ length: 40 }, (_, index) =>
    connectTo(sessions[index % 2] as ClientHttp2Session, origin.port),
  );
  for (const status of await Promise.all(streams.map(statusOf))) expect(status).toBe(200);
  const told = sessions.map((session) => new Promise((done) => session.once('goaway', done)));
  const contents = streams.map(readAll);
  const stopping = edge.stop(30_000);
  await Promise.all(told);
  const late = connect(edge.address.port, '127.0.0.1');
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  release();
  for (const got of await Promise.all(contents)) expect(sha256(got)).toBe(sha256(content));
  for (const stream of streams) stream.end();
  await stopping;
  expect(workerPids()).toEqual([]);
});
