import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http2, { type ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { edgeServerName } from '#contract/enrollment.ts';
import { dialBySystem } from '#probes/dial-by-system.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import {
  createEdgeLab,
  emptyPolicy,
  loopbackApplication,
  readAll,
} from '#test/support/edge-lab.ts';
import { freePort } from '#test/support/server-process.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** `whyslow edge` of two worker processes. */
const startProgram = async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const lab = await createEdgeLab();
  onTestFinished(() => lab.stop());
  await collector.setConfig({ ...emptyPolicy('e1'), ...loopbackApplication });
  const folder = await makeTemporaryFolder();
  const port = await freePort();
  const file = join(folder, 'edge.yaml');
  const config = {
    stateFolder: join(folder, 'state'),
    collectorUrl: collector.url,
    enrollmentToken: collector.createToken(),
    edgeId: 'e1',
    location: 'here',
    listen: { host: '127.0.0.1', port },
    advertise: { host: '127.0.0.1' },
    configIntervalMs: 200,
    processes: 2,
    drainMs: 20_000,
  };
  writeFileSync(file, stringify(config));
  const bin = join(import.meta.dirname, '../../bin/whyslow.mjs');
  const child = spawn(process.execPath, [bin, 'edge', '--config', file, '--log-level', 'error'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const names = () =>
    collector.stored().flatMap((record) => ('name' in record ? [record.name] : []));
  await waitUntil(() => names().includes('policy-applied'), 30_000);
  return { child, port, names, workers: workersOf(child), collector, lab, folder };
};

/** A flow through it that its origin holds. */
const openFlow = async (program: Awaited<ReturnType<typeof startProgram>>) => {
  const { port, collector, lab, folder } = program;
  const identity = await loadOrEnroll({
    folder: join(folder, 'device'),
    collectorUrl: collector.url,
    token: collector.createToken(),
    role: 'device',
    name: 'd',
    platform: 'linux',
    programVersion: '0',
    dial: dialBySystem,
    log: silentLog(),
  });
  onTestFinished(() => identity.stop());
  const { caCertificatePem: ca, certificatePem: cert, privateKeyPem: key } = identity.current();
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ...{ servername: edgeServerName('e1'), ca, cert, key },
  });
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  let release = () => {};
  const origin = await lab.origin((socket) => {
    release = () => socket.end('all of it');
  });
  const stream = session.request({
    ...{ ':method': 'CONNECT', ':authority': `app.test:${origin.port}` },
  });
  stream.on('error', () => {});
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  expect(headers[':status']).toBe(200);
  return { stream, release: () => release() };
};

const workersOf = ({ pid }: ChildProcess): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter((worker) => isWorker(worker));

const isWorker = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker-child');
  } catch {
    return false;
  }
};

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(false));
    socket.on('error', () => resolve(true)).on('connect', () => socket.destroy());
  });

it('SIGTERM closes the listener at once, lets a flow end, and ends with 0', async () => {
  const program = await startProgram();
  const { child, port, names, workers } = program;
  const { stream, release } = await openFlow(program);
  expect(workers).toHaveLength(2);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await waitUntil(() => isRefused(port));
  expect(child.exitCode).toBeNull();
  const content = readAll(stream as ClientHttp2Stream);
  release();
  expect(String(await content)).toBe('all of it');
  stream.end();
  expect(await ended).toEqual([0, null]);
  expect(workers.some(isWorker)).toBe(false);
  expect(names()).toContain('stopped');
});

it('a second SIGTERM ends it at once, and no process stays', async () => {
  const { child, port, workers } = await startProgram();
  // A client that says nothing holds the drain up as well as a flow does.
  const silent = connect(port, '127.0.0.1');
  silent.on('error', () => {});
  onTestFinished(() => void silent.destroy());
  await once(silent, 'connect');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await waitUntil(() => isRefused(port));
  child.kill('SIGTERM');
  expect(await ended).toEqual([130, null]);
  await waitUntil(() => !workers.some(isWorker));
});
