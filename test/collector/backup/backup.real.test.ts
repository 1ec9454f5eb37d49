import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { backUp, restore } from '#collector/backup/commands.ts';
import type { CollectorProgramConfig } from '#collector/config.ts';
import { migrate, migrations } from '#collector/state/migrate.ts';
import { openState } from '#collector/state/open.ts';
import { artefacts, devices, incidents, jobs } from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let folder: string;
let postgres: PostgresServer;
let lab: CollectorLab;
let device: Holder;
let edge: Holder;
let before: Record<string, unknown>;
let file: string;
let secretFile: string;
const passphrase = 'correct horse battery';

/** Of every table that is there, whoever made it. */
const counts = async ({ db }: State): Promise<Record<string, number>> => {
  const query = sql`select tablename as name from pg_tables where schemaname = current_schema()`;
  const { rows } = (await db.execute(query)) as unknown as { rows: { name: string }[] };
  const entries = rows.map(async ({ name }) => [name, await countOf(db, name)] as const);
  return Object.fromEntries(await Promise.all(entries));
};
const countOf = async (db: State['db'], name: string): Promise<number> => {
  const query = sql`select count(*)::integer as count from ${sql.identifier(name)}`;
  const { rows } = (await db.execute(query)) as unknown as { rows: { count: number }[] };
  return rows[0]?.count ?? -1;
};
const tokenOf = ({ folder: of }: CollectorLab) => readFileSync(join(of, 'operator-token'), 'utf8');

/** What people and devices see of a state. */
const seen = async (from: CollectorLab): Promise<Record<string, unknown>> => {
  const paths = [
    '/v1/organisation/versions',
    '/v1/organisation/versions/1',
    '/v1/verdicts',
    '/v1/devices',
    '/v1/edges',
    '/v1/operators',
  ];
  const answers = paths.map(async (path) => [path, (await from.operator(path)).json] as const);
  return Object.fromEntries(await Promise.all(answers));
};

beforeAll(async () => {
  folder = makeFolder('backup');
  postgres = await startPostgres();
  // The device listener asks for the same things from whoever holds the state.
  lab = await startCollectorLab({ stateFolder: join(folder, 'one') });
  const applications = [{ id: 'crm', name: 'CRM “ü”\\', hosts: [], probes: [] }];
  for (const name of ['CRM', 'CRM “ü”\\']) {
    const body = { version: 1, applications: applications.map((one) => ({ ...one, name })) };
    await lab.operator('/v1/organisation', { method: 'PUT', body });
  }
  device = await lab.enrollDevice('laptop');
  edge = await lab.enrollEdge('fra-1');
  const endMs = Date.now();
  const about = { deviceId: device.id, appId: 'crm', endMs, usualCount: 30, slowCount: 6 };
  await lab.postBatch(device, slowResults(about));
  await waitUntil(
    async () => (await lab.operator('/v1/incidents')).text.includes(device.id),
    60_000,
  );
  before = await seen(lab);
  [file, secretFile] = [join(folder, 'state.whyslow'), join(folder, 'secret.whyslow')];
  const { port } = new URL(lab.operatorUrl);
  const config = { ...lab.config, operatorListen: { host: '127.0.0.1', port: Number(port) } };
  // The collector holds the folder: both go through it.
  await backUp({ config, to: file });
  await backUp({ config, to: secretFile, passphrase });
  await lab.stop();
}, 180_000);
afterAll(async () => {
  await lab?.stop();
  await postgres?.stop();
  removeFolder(folder);
}, 60_000);

const elsewhere = (name: string, state: CollectorProgramConfig['state']) => ({
  ...lab.config,
  stateFolder: join(folder, name),
  state,
});

test('restored into PostgreSQL everything goes on: device, edge, operator, organisation, incidents', async () => {
  const config = elsewhere('two', { engine: 'postgres', url: postgres.url });
  const { counts: restored } = await restore({
    config,
    from: secretFile,
    passphrase,
    replace: false,
  });
  const state = await openState({ engine: 'postgres', url: postgres.url });
  const there = Object.entries(await counts(state)).filter(([, count]) => count > 0);
  expect(restored).toEqual(Object.fromEntries(there));
  expect(restored).toMatchObject({ authority: 1, devices: 1, edges: 1, organisation_versions: 2 });
  expect(await state.db.$count(incidents)).toBeGreaterThan(0);
  await state.stop();

  const two = await startCollectorLab(config);
  try {
    expect(two.operatorToken).toBe(lab.operatorToken);
    expect(statSync(join(two.folder, 'operator-token')).mode & 0o777).toBe(0o600);
    expect(tokenOf(two)).toContain(String(lab.operatorToken));
    expect(await seen(two)).toEqual(before);
    for (const as of [device, edge]) {
      expect((await two.device('/v1/config', { as })).status).toBe(200);
    }
    const more = await two.postBatch(device, [makeEvent(device.id, 'still the same')]);
    expect(more.json).toMatchObject({ acceptedCount: 1, duplicate: false });
  } finally {
    await two.stop();
  }
}, 120_000);

test('while collectors write to PostgreSQL the back-up is of one moment, and goes back into PGlite', async () => {
  const state = await openState({ engine: 'postgres', url: postgres.url });
  const bytes = Buffer.from([0, 1, 2, 92, 34, 255, 0]);
  const rowOf = (number: number) => ({
    resultId: `018f5f5e-0000-4000-8000-${String(number).padStart(12, '0')}`,
    kind: 'screenshot' as const,
    deviceId: device.id,
    appId: 'crm',
    mediaType: 'image/jpeg',
    encoding: 'identity' as const,
    bytes,
    at: 9_007_199_254_740_991,
  });
  // Two tables that only ever change together: any other count was not of one moment.
  let number = 0;
  let isWriting = true;
  const writing = (async () => {
    while (isWriting) {
      number += 1;
      const payload = { number, text: 'a\nb "c" \\ \u2028' };
      const job = { queue: 'none', id: String(number), payload, state: 'waiting' as const };
      await state.db.transaction(async (tx) => {
        await tx.insert(artefacts).values(rowOf(number));
        await tx.insert(jobs).values({ ...job, runAt: 0, attemptCount: 0, again: false });
      });
    }
  })();
  await waitUntil(() => number > 20);
  const config = elsewhere('two', { engine: 'postgres', url: postgres.url });
  const chunks: Buffer[] = [];
  const out = new PassThrough().on('data', (chunk: Buffer) => chunks.push(chunk));
  await backUp({ config, to: out });
  isWriting = false;
  await writing;
  await state.stop();

  const three = elsewhere('three', { engine: 'pglite' });
  const from = new PassThrough();
  from.end(Buffer.concat(chunks));
  const { counts: restored } = await restore({ config: three, from, replace: false });
  expect(restored['artefacts']).toBeGreaterThan(19);
  expect(restored['artefacts']).toBe(restored['jobs']);
  const back = await openState({ engine: 'pglite', folder: join(folder, 'three', 'state') });
  expect(await counts(back)).toMatchObject(restored);
  const [row] = await back.db.select().from(artefacts).limit(1);
  expect(Buffer.from(row?.bytes ?? [])).toEqual(bytes);
  expect(row?.at).toBe(9_007_199_254_740_991);
  const [job] = await back.db.select().from(jobs).limit(1);
  expect(job?.payload).toMatchObject({ text: 'a\nb "c" \\ \u2028' });
  await back.stop();
}, 120_000);

test('a state that has something in it is replaced only on request', async () => {
  const config = elsewhere('three', { engine: 'pglite' });
  await expect(restore({ config, from: file, replace: false })).rejects.toThrow(/--replace/);
  const { counts: restored } = await restore({ config, from: file, replace: true });
  expect(restored['devices']).toBe(1);
  expect(restored['artefacts']).toBeUndefined();
}, 60_000);

test('one flipped byte anywhere, a cut, another passphrase or another file: refused, and nothing is changed', async () => {
  const config = elsewhere('three', { engine: 'pglite' });
  const tries = async (bytes: Buffer, words = passphrase) => {
    const path = join(folder, 'bad.whyslow');
    writeFileSync(path, bytes);
    return restore({ config, from: path, passphrase: words, replace: true }).then(
      () => 'restored',
      (error: Error) => error.message,
    );
  };
  for (const good of [file, secretFile].map((path) => readFileSync(path))) {
    const places = [0, 20, 60, 200, 300, good.length >> 1, good.length - 40, good.length - 1];
    for (const at of places) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      expect(await tries(bad), `byte ${at}`).toMatch(/damaged|no back-up|format/);
    }
    expect(await tries(good.subarray(0, good.length - 100))).toMatch(/damaged|short/);
  }
  expect(await tries(Buffer.from('hello\n'))).toMatch(/no back-up of whyslow/);
  expect(await tries(readFileSync(secretFile), 'something else')).toMatch(/passphrase/);
  await expect(restore({ config, from: secretFile, replace: true })).rejects.toThrow(/encrypted/);
  const secret = readFileSync(secretFile);
  expect(secret.includes('PRIVATE KEY')).toBe(false);
  expect(statSync(secretFile).mode & 0o777).toBe(0o600);
  const state = await openState({ engine: 'pglite', folder: join(folder, 'three', 'state') });
  expect(await state.db.$count(devices)).toBe(1);
  await state.stop();
}, 120_000);

test('who may not read all of it gets no back-up: viewers, and an admin’s cookie', async () => {
  const four = await startCollectorLab(elsewhere('three', { engine: 'pglite' }));
  try {
    const made = await four.operator('/v1/operators', {
      method: 'POST',
      body: { name: 'kim', role: 'viewer' },
    });
    const ask = { method: 'POST' } as const;
    const viewer = await four.operator('/v1/backups', {
      ...ask,
      token: String(made.json['token']),
    });
    expect(viewer.status).toBe(403);
    const entered = await four.operator(`/enter?token=${four.operatorToken}`, { token: null });
    const headers = { cookie: String(entered.headers['set-cookie']).split(';')[0] ?? '' };
    const cookie = await four.operator('/v1/backups', { ...ask, token: null, headers });
    expect(cookie.status).toBe(403);
    expect((await four.operator('/v1/backups', ask)).text).toContain('"whyslow-backup"');
    expect((await four.operator('/v1/audit')).text).toContain('backup.made');
  } finally {
    await four.stop();
  }
}, 60_000);

test('a back-up made before later migrations is brought forward; one of a newer program is refused', async () => {
  const [old, made] = [join(folder, 'old'), join(folder, 'old.whyslow')];
  const empty = await openState({ engine: 'pglite', folder: join(old, 'state'), asIs: true });
  const then = migrations.filter(({ id }) => id <= 5);
  await migrate(empty.db, then);
  await empty.db.execute(sql`insert into edges (id, host, port, location, program_version,
    certificate_serial, certificate_not_after, enrolled_at) values ('fra', 'h', 1, '', '1', 's', 1, 1)`);
  await empty.stop();
  const config = (name: string) => elsewhere(name, { engine: 'pglite' });
  await backUp({ config: config('old'), to: made });
  const { counts: restored } = await restore({
    config: config('five'),
    from: made,
    replace: false,
  });
  expect(restored).toEqual({ whyslow_migrations: then.length, edges: 1 });
  const five = await openState({
    engine: 'pglite',
    folder: join(folder, 'five', 'state'),
    asIs: true,
  });
  expect(await migrate(five.db)).toEqual({ applied: [] });
  expect((await counts(five))['whyslow_migrations']).toBe(migrations.length);
  await five.db.execute(sql`update whyslow_migrations set id = 9999 where id = 5`);
  await five.stop();
  const newer = backUp({ config: config('five'), to: join(folder, 'newer.whyslow') });
  await expect(newer).rejects.toThrow(/newer whyslow \(migration 9999/);
}, 60_000);
