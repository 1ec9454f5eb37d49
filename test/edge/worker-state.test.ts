import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, open as openFile, rm, writeFile } from 'node:fs/promises';
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import type { FlowRecord } from '#contract/telemetry.ts';
import { readCategories } from '#edge/category-file.ts';
import { type EdgeService, startEdgeServer } from '#edge/server.ts';
import { startSupervisor } from '#edge/workers/supervisor.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  emptyPolicy,
  loopbackApplication,
} from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** An edge of one worker: what it is told last holds, and what it saw last is told. */
let lab: EdgeLab;
let edge: EdgeService;
let identity: Identity;
let folder: string;
const flows: FlowRecord[] = [];
const access = [
  {
    id: 'no-games',
    action: 'block' as const,
    hosts: ['*'],
    ports: [],
    devices: [],
    categories: ['games'],
  },
];

beforeAll(async () => {
  lab = await createEdgeLab();
  identity = await lab.device();
  folder = await mkdtemp(join(tmpdir(), 'whyslow-test-'));
  lab.onStop(() => rm(folder, { recursive: true }));
  edge = await startSupervisor({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: await lab.edgeCertificate('e1'),
    workerCount: 1,
    onReplaced: () => {},
    onFlow: (record) => flows.push(record),
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication, access });
});
afterAll(() => lab.stop());

const connect = async (port = edge.address.port, who = identity): Promise<ClientHttp2Session> => {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    servername: edgeServerName('e1'),
    ca: who.caCertificatePem,
    cert: who.certificatePem,
    key: who.privateKeyPem,
  });
  session.on('error', () => {});
  lab.onStop(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
};

const openFlow = (session: ClientHttp2Session, port: number): ClientHttp2Stream => {
  const authority = `app.test:${port}`;
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  stream.on('error', () => {});
  return stream;
};

const statusOf = async (stream: ClientHttp2Stream): Promise<number> => {
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  return Number(headers[':status']);
};

const isBlocked = async (session: ClientHttp2Session): Promise<boolean> =>
  (await statusOf(openFlow(session, 9))) === 403;

const openMany = async (session: ClientHttp2Session, count: number): Promise<void> => {
  const origin = await lab.origin((socket) => socket.resume());
  const streams = Array.from({ length: count }, () => openFlow(session, origin.port));
  for (const status of await Promise.all(streams.map(statusOf))) expect(status).toBe(200);
};

const workerPid = (): number | undefined => {
  const { pid } = process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const isWorker = (child: string) =>
    readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker-child');
  return children.filter((child) => child !== '' && isWorker(child)).map(Number)[0];
};

const listOf = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

it('the last category list it is told is in force, also when the one before takes longer to read', async () => {
  const session = await connect();
  const games = await listOf('games.txt', 'app.test games\n');
  const list = await readCategories(games);
  const slow = join(folder, 'slow.txt');
  execFileSync('sh', ['-c', 'mkfifo "$0"', slow]);
  edge.setCategories(list, slow);
  edge.setCategories(list, games);
  const writing = await openFile(slow, 'w');
  // Time for the second to overtake the first, then for the first to take its place.
  await wait(300);
  await writing.write('app.test news\n');
  await writing.close();
  await wait(300);
  await waitUntil(() => isBlocked(session), 10_000);
});

it('a worker that starts in place of another has the category list that came meanwhile', async () => {
  const none = await listOf('none.txt', 'other.test games\n');
  edge.setCategories(await readCategories(none), none);
  const before = workerPid();
  process.kill(before as number, 'SIGKILL');
  await waitUntil(() => ![before, undefined].includes(workerPid()));
  const games = await listOf('games.txt', 'app.test games\n');
  edge.setCategories(await readCategories(games), games);
  await waitUntil(async () => (await edge.takeSample()).workerCount === 1);
  const session = await connect();
  await waitUntil(() => isBlocked(session), 10_000);
});

it('a flow that is cut at the end of a drain has its record', async () => {
  const none = await listOf('none.txt', 'other.test games\n');
  edge.setCategories(await readCategories(none), none);
  const session = await connect();
  await waitUntil(async () => !(await isBlocked(session)), 10_000);
  // Of a device whose records the refusals above have not used up.
  await openMany(await connect(edge.address.port, await lab.device()), 80);
  await edge.stop(50);
  expect(flows.filter(({ error }) => error === '')).toHaveLength(80);
});

it('so it is in an edge of one process', async () => {
  const records: FlowRecord[] = [];
  const alone = await startEdgeServer({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: await lab.edgeCertificate('e1'),
    onFlow: (record) => records.push(record),
    log: silentLog(),
  });
  alone.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication });
  await openMany(await connect(alone.address.port), 80);
  await alone.stop(0);
  expect(records).toHaveLength(80);
});
