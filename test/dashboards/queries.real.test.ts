import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { asGrafana, type Choice } from './as-grafana.ts';
import { allQueries, type DashboardQuery } from './read-dashboards.ts';
import { hourOfDevice, hourOfEdge, worldApplications } from './world.ts';

/**
 * What the dashboards ask, asked of a real InfluxDB that a real collector filled from what enrolled
 * devices and edges shipped. Grafana itself is not part of it.
 */
let influxdb: InfluxdbServer;
let collector: CollectorLab;
let stateFolder: string;
const devices: Holder[] = [];
const edgeIds = ['fra-1', 'ams-1'] as const;
/** Segments in the ledgers of the first device and application: not every ledger has all. */
const drawn: string[] = [];
const nowMs = Date.now();
const range = { fromMs: nowMs - 3_600_000 - 60_000, toMs: nowMs + 600_000 };

beforeAll(async () => {
  influxdb = await startInfluxdb();
  const store = { engine: 'influxdb', url: influxdb.url, database: 'whyslow' } as const;
  stateFolder = makeFolder('dashboards');
  collector = await startCollectorLab({ store, stateFolder });
  const applications = worldApplications.map((id) => ({ id, name: id, hosts: [], probes: [] }));
  await collector.operator('/v1/organisation', {
    method: 'PUT',
    body: { version: 1, applications },
  });
  for (const edgeId of edgeIds) {
    const edge = await collector.enrollEdge(edgeId);
    await ship(edge, hourOfEdge({ edgeId, nowMs }));
    const device = await collector.enrollDevice(`laptop at ${edgeId}`);
    await ship(device, hourOfDevice({ deviceId: device.id, edgeId, nowMs }));
    devices.push(device);
  }
  const slow = `SELECT "state" FROM "verdict" WHERE "app" = 'sales' AND "state" = 'slow'`;
  await waitUntil(async () => (await ask(slow)).length > 0, 90_000);
  const each = `SELECT last("state") FROM "verdict" WHERE "app" = `;
  for (const app of worldApplications) {
    const judged = async () => (await ask(`${each}'${app}' GROUP BY "device"`)).length;
    await waitUntil(async () => (await judged()) === devices.length, 90_000);
  }
  // Roll-ups of what came late are made every 5 minutes, and by a collector that starts.
  await collector.stop();
  collector = await startCollectorLab({ store, stateFolder });
  for (const name of ['http_5m', 'page_load_5m', 'tunnel_5m']) {
    await waitUntil(async () => (await ask(`SELECT * FROM "${name}" LIMIT 1`)).length > 0, 90_000);
  }
  const ofOne = `"device" = '${devices[0]?.id}' AND "app" = 'sales'`;
  const [found] = await ask(`SELECT "ms", "segment" FROM "leg" WHERE ${ofOne}`);
  const measured = (found?.values ?? []).filter(([, ms]) => ms !== null);
  drawn.push(...new Set(measured.map(([, , segment]) => String(segment))));
}, 300_000);

afterAll(async () => {
  await collector?.stop();
  await influxdb?.stop();
  if (stateFolder !== undefined) removeFolder(stateFolder);
});

const ship = async (sender: Holder, records: unknown[]): Promise<void> => {
  const { status, text } = await collector.postBatch(sender, records);
  if (status !== 200) throw new Error(`not taken: ${status} ${text.slice(0, 2_000)}`);
};

type Series = { columns: string[]; values?: unknown[][] };

/** As Grafana's data source asks: POST, its database, one statement. */
const ask = async (query: string): Promise<Series[]> => {
  const response = await fetch(`${influxdb.url}/query?db=whyslow&epoch=ms`, {
    method: 'POST',
    body: new URLSearchParams({ q: query }),
  });
  const answer = (await response.json()) as {
    error?: string;
    results?: { error?: string; series?: Series[] }[];
  };
  const problem = answer.error ?? answer.results?.[0]?.error;
  if (problem !== undefined) throw new Error(`${problem}: ${query}`);
  expect(answer.results).toHaveLength(1);
  return answer.results?.[0]?.series ?? [];
};

const choices: Record<string, () => Choice> = {
  'one of each chosen': () => ({ device: [devices[0]?.id ?? ''], app: ['sales'], edge: ['fra-1'] }),
  'several chosen': () => ({
    device: devices.map(({ id }) => id),
    app: [...worldApplications],
    edge: [...edgeIds],
  }),
  'all chosen': () => ({ device: 'All', app: 'All', edge: 'All' }),
};

/** A variable that takes one value has one, whatever is chosen in the others. */
const forVariables = (choice: Choice, { variables }: DashboardQuery): Choice => {
  const one = choices['one of each chosen']?.() ?? {};
  const single = variables.filter(({ multi }) => !multi).map(({ name }) => [name, one[name] ?? []]);
  return { ...choice, ...Object.fromEntries(single) };
};

const emptyColumns = (found: Series[]): string[] => {
  const [first] = found;
  return (first?.columns ?? []).filter((_, index) =>
    found.every(({ values = [] }) =>
      values.every((row) => row[index] === null || row[index] === undefined),
    ),
  );
};

test('the ledgers have enough segments for these tests to mean something', () => {
  expect(drawn.length).toBeGreaterThan(3);
});

test('there are enough queries for these tests to mean something', () => {
  expect(new Set(allQueries().map(({ query }) => query)).size).toBeGreaterThan(40);
});

describe.each(Object.keys(choices))('with %s', (name) => {
  test.each(allQueries().map((query) => [query.from, query] as const))(
    '%s has an answer in every column',
    async (_from, query) => {
      const choice = forVariables(choices[name]?.() ?? {}, query);
      const text = asGrafana(query.query, query.variables, choice, range);
      // A $ is left only as the end of a regular expression.
      expect(text).not.toMatch(/\$(?!\/)/);
      const found = await ask(text);
      const [, segment] = /"segment" = '([^']+)'/.exec(text) ?? [];
      if (segment !== undefined && !drawn.includes(segment)) return;
      expect(found.length, text).toBeGreaterThan(0);
      expect(emptyColumns(found), text).toEqual([]);
    },
  );
});

test('an application that nobody has gives no answer, so that those above are the application’s', async () => {
  const about = allQueries().filter(({ query }) => query.includes('"app" =~ /^$app$/'));
  expect(about.length).toBeGreaterThan(20);
  for (const query of about) {
    const choice = { device: [devices[0]?.id ?? ''], app: ['none'], edge: ['fra-1'] };
    expect(await ask(asGrafana(query.query, query.variables, choice, range))).toEqual([]);
  }
});

test('a device that does not exist has no answer, so that the answers above are the device’s', async () => {
  const about = allQueries().filter(({ query }) => query.includes('"device" =~'));
  expect(about.length).toBeGreaterThan(20);
  for (const query of about) {
    const choice = { device: ['nobody'], app: ['sales'], edge: ['fra-1'] };
    expect(await ask(asGrafana(query.query, query.variables, choice, range))).toEqual([]);
  }
});
