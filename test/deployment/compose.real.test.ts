import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { type RedisServer, startRedis } from '#test/support/redis.ts';
import { freePort, makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import {
  mapLeaves,
  projectFolder,
  readComposeFile,
  readExample,
  readExampleEnvironment,
} from './compose-files.ts';

/**
 * docker-compose.yml without Docker: its config files, environment and `prepare` script, with host
 * names and folders replaced by this machine's, on Debian's PostgreSQL, Redis and InfluxDB (1.6
 * where the file has 2.7). The tests build on each other.
 */
const folder = makeFolder('compose');
const processes: { name: string; child: ChildProcess; words: string }[] = [];
let postgres: PostgresServer;
let redis: RedisServer;
let influxdb: InfluxdbServer;
let application: Server;
let ports: Record<'operator' | 'device' | 'edge' | 'application', number>;

beforeAll(async () => {
  [postgres, redis, influxdb] = await Promise.all([startPostgres(), startRedis(), startInfluxdb()]);
  application = createServer((_, answer) => void answer.end('<p>hello')).listen(0, '127.0.0.1');
  await new Promise((resolve) => application.once('listening', resolve));
  ports = {
    operator: await freePort(),
    device: await freePort(),
    edge: await freePort(),
    application: (application.address() as AddressInfo).port,
  };
  for (const name of ['collector', 'edge', 'agent', 'tokens', 'bin', 'etc']) {
    mkdirSync(join(folder, name));
  }
  // As the image has it.
  symlinkSync(join(projectFolder, 'bin/whyslow.mjs'), join(folder, 'bin/whyslow'));
}, 180_000);

afterAll(async () => {
  for (const { child } of processes.toReversed()) await stop(child);
  application?.closeAllConnections();
  application?.close();
  await Promise.all([postgres?.stop(), redis?.stop(), influxdb?.stop()]);
  removeFolder(folder);
}, 120_000);

const stop = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
};

const numbers = (): Record<number, number> => ({
  8420: ports.operator,
  8421: ports.device,
  8443: ports.edge,
  // Any free ones: nobody in the compose file connects to them.
  9339: 0,
  9340: 0,
  80: ports.application,
  // Sooner than in the file; page loads stay as they are.
  30: 3,
  60: 6,
});

/** Host names and folders of the containers as they are here. */
const here = (program: string, text: string): string =>
  text
    .replaceAll('collector:8420', `127.0.0.1:${ports.operator}`)
    .replaceAll('collector:8421', `127.0.0.1:${ports.device}`)
    .replaceAll(/^(0\.0\.0\.0|edge)$/g, '127.0.0.1')
    .replaceAll('http://application/', `http://localhost:${ports.application}/`)
    .replaceAll(/^application$/g, 'localhost')
    .replaceAll('/var/lib/whyslow', join(folder, program))
    .replaceAll('/etc/whyslow', join(folder, 'etc'))
    .replaceAll('/tokens', join(folder, 'tokens'));

const writeConfig = (name: string): string => {
  const path = join(folder, 'etc', `${name}.yaml`);
  const config = mapLeaves(readExample(name), (leaf) => {
    if (typeof leaf === 'number') return numbers()[leaf] ?? leaf;
    return typeof leaf === 'string' ? here(name, leaf) : leaf;
  });
  writeFileSync(path, JSON.stringify(config));
  return path;
};

const environmentOf = (service: string): Record<string, string> => {
  const secrets = readExampleEnvironment();
  const engines: Record<string, string> = {
    WHYSLOW_POSTGRES_URL: postgres.url,
    WHYSLOW_REDIS_URL: redis.url,
    WHYSLOW_INFLUXDB_URL: influxdb.url,
  };
  const given = Object.entries(readComposeFile().services[service]?.environment ?? {});
  return Object.fromEntries(
    given.map(([name, value]) => [
      name,
      engines[name] ?? value.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => secrets[key] ?? ''),
    ]),
  );
};

/** One service with the command and environment the compose file gives it. */
const startService = (name: string) => {
  const config = writeConfig(name);
  const command = readComposeFile().services[name]?.command ?? [];
  const child = spawn(
    process.execPath,
    [
      join(projectFolder, 'bin/whyslow.mjs'),
      ...command.map((word) => (word === `/etc/whyslow/${name}.yaml` ? config : word)),
      '--with-parent',
    ],
    { cwd: folder, env: { ...process.env, ...environmentOf(name) }, stdio: 'pipe' },
  );
  const service = { name, child, words: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      service.words = (service.words + text).slice(-4_000);
    });
  }
  processes.push(service);
};

/** Waits, but not for a service that has ended; its last words are in the error. */
const until = (what: string, isTrue: () => Promise<boolean>): Promise<void> =>
  waitUntil(async () => {
    const ended = processes.find(({ child }) => child.exitCode !== null);
    if (ended) throw new Error(`${ended.name} ended:\n${ended.words}`);
    return isTrue();
  }, 120_000).catch((error: unknown) => {
    const words = processes.map((each) => `${each.name}:\n${each.words}`).join('\n');
    throw new Error(`${what}: ${(error as Error).message}\n${words}`);
  });

const stored = async (query: string): Promise<number> => {
  const body = new URLSearchParams({ q: query });
  const response = await fetch(`${influxdb.url}/query?db=whyslow`, { method: 'POST', body });
  const { results } = (await response.json()) as { results: { series?: unknown[] }[] };
  return results[0]?.series?.length ?? 0;
};

test('the collector becomes ready on its three engines', async () => {
  startService('collector');
  const url = `http://127.0.0.1:${ports.operator}/readyz`;
  await until('not ready', async () => (await fetch(url).catch(() => undefined))?.status === 200);
});

test('prepare applies the organisation and leaves two tokens, and is harmless a second time', async () => {
  writeConfig('organisation');
  const [script = ''] = readComposeFile().services['prepare']?.command ?? [];
  const text = here('collector', script.replaceAll('$$', '$'));
  const env = { ...process.env, PATH: join(folder, 'bin') + delimiter + process.env['PATH'] };
  const run = () => promisify(execFile)('/bin/sh', ['-ec', text], { cwd: folder, env });
  expect((await run()).stdout).toMatch(/applied as version 1/);
  const tokens = () =>
    ['edge', 'device'].map((r) => readFileSync(join(folder, 'tokens', r), 'utf8'));
  const first = tokens();
  for (const token of first) expect(token).toMatch(/^wse1\./);
  expect((await run()).stdout).toMatch(/nothing to change/);
  expect(tokens()).toEqual(first);
});

test('edge and agent enrol with their tokens, and what they measure is stored and judged', async () => {
  startService('edge');
  startService('agent');
  const runs = (via: string) =>
    stored(`SELECT "run_ms" FROM "http" WHERE "app" = 'sample' AND "via" = '${via}' AND "ok" = 1`);
  await until('no direct run', async () => (await runs('direct')) > 0);
  await until('no run through the edge', async () => (await runs('tunnel')) > 0);
  await until(
    'no onward measurement',
    async () => (await stored('SELECT "reached" FROM "onward"')) > 0,
  );
  await until('no verdict', async () => (await stored('SELECT "state" FROM "verdict"')) > 0);
});

test('a restart needs no token any more', async () => {
  const agent = processes.find(({ name }) => name === 'agent');
  if (!agent) throw new Error('no agent');
  await stop(agent.child);
  expect(agent.child.exitCode, agent.words).toBe(0);
  processes.splice(processes.indexOf(agent), 1);
  writeFileSync(join(folder, 'tokens/device'), '');
  startService('agent');
  await until('not up again', async () =>
    processes.some(({ name, words }) => name === 'agent' && words.includes('agent is up')),
  );
});
