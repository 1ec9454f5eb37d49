import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { tableOf } from '#collector/store/row.ts';
import { series } from '#collector/store/schema.ts';
import { generatedFolder, render } from '#dashboards/build.ts';
import { dataSource } from '#dashboards/panels.ts';
import { readInfluxql } from './influxql.ts';
import {
  allLinks,
  allQueries,
  type Dashboard,
  dashboardNames,
  type Panel,
  readDashboards,
  readGenerated,
} from './read-dashboards.ts';

const provisioned = (path: string): Record<string, unknown> => {
  const file = fileURLToPath(new URL(`../../dashboards/provisioning/${path}`, import.meta.url));
  return parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
};

const overlaps = ({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** The column of whose values a panel makes lines. */
const splitBy = ({ transformations = [] }: Panel): string | undefined => {
  const split = transformations.find(({ id }) => id === 'partitionByValues');
  return split && (split.options['fields'] as string[])[0];
};

/** Variables a text uses that a dashboard must declare; what starts with __ is Grafana's. */
const used = (text: string): string[] =>
  [...text.matchAll(/\$\{?([A-Za-z]\w*)/g)]
    .map(([, name = '']) => name)
    .filter((name) => !['timeFilter', 'col'].includes(name) && !name.startsWith('tag_'));

test('the committed dashboards are what the sources give (else: npm run dashboards)', () => {
  for (const name of dashboardNames) expect(readGenerated(name)).toBe(render(name));
  expect(readdirSync(generatedFolder).sort()).toEqual(
    dashboardNames.map((n) => `${n}.json`).sort(),
  );
});

test('dashboards have uids of their own', () => {
  const uids = readDashboards().map(({ uid }) => uid);
  expect(new Set(uids).size).toBe(dashboardNames.length);
  // Grafana: at most 40 characters, of these.
  for (const uid of uids) expect(uid).toMatch(/^[A-Za-z0-9_-]{1,40}$/);
});

describe.each(readDashboards().map((dashboard) => [dashboard.title, dashboard] as const))(
  '%s',
  (_title, dashboard: Dashboard) => {
    const { panels, templating } = dashboard;

    test('every panel says what it shows, in which unit, and what is good', () => {
      for (const { title, description, fieldConfig, type } of panels) {
        expect(title).not.toBe('');
        expect(description.length, title).toBeGreaterThan(20);
        expect(fieldConfig.defaults.unit, title).toMatch(/^(none|short|ms|percentunit|bytes)$/);
        const [first, ...rest] = fieldConfig.defaults.thresholds.steps;
        expect(first?.value, title).toBe(null);
        const values = rest.map(({ value }) => Number(value));
        expect(values, title).toEqual(values.toSorted((a, b) => a - b));
        expect(['stat', 'timeseries', 'table']).toContain(type);
      }
      const titles = panels.map(({ title }) => title);
      expect(new Set(titles).size).toBe(titles.length);
    });

    test('panels have ids of their own and do not lie on each other', () => {
      const ids = panels.map(({ id }) => id);
      expect(ids.every(Number.isInteger)).toBe(true);
      expect(new Set(ids).size).toBe(ids.length);
      for (const [index, panel] of panels.entries()) {
        expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
        for (const other of panels.slice(index + 1)) {
          expect(overlaps(panel, other), `${panel.title} and ${other.title}`).toBe(false);
        }
      }
    });

    test('queries are in the form the InfluxQL editor keeps', () => {
      for (const panel of panels) {
        const { title, targets, datasource, type } = panel;
        expect(datasource).toEqual(dataSource);
        expect(targets.map(({ refId }) => refId)).toEqual(
          [...'ABCDEFGHIJKL'].slice(0, targets.length),
        );
        for (const target of targets) {
          expect(target.datasource, title).toEqual(dataSource);
          expect(target.rawQuery, title).toBe(true);
          const isRows = type === 'table' || splitBy(panel) !== undefined;
          expect(target.resultFormat, title).toBe(isRows ? 'table' : 'time_series');
        }
      }
    });

    test('a series has a name of its own wherever a query gives several', () => {
      for (const { title, targets, type } of panels.filter((panel) => panel.type !== 'table')) {
        for (const { query, alias = '' } of targets) {
          const [select = '', groupBy = ''] = query
            .replace(/\(SELECT.*\)$/, '')
            .split(' GROUP BY ');
          const tags = [...groupBy.matchAll(/"(\w+)"/g)].map(([, tag]) => `$tag_${tag}`);
          for (const tag of tags) expect(alias, `${type} ${title}`).toContain(tag);
          const columns = [...select.matchAll(/ AS "/g)].length;
          if (columns > 1) expect(alias, title).toContain('$col');
          const wanted = [...alias.matchAll(/\$tag_\w+/g)].map(([tag]) => tag);
          for (const tag of wanted) expect(tags, title).toContain(tag);
        }
        const shown = targets.map(({ query }) => / AS "([^"]+)"/.exec(query)?.[1]);
        if (targets.length > 1) {
          expect(new Set(shown).size, title).toBe(targets.length);
          for (const { alias } of targets) expect(alias, title).toBe('$col');
        }
      }
    });

    test('rows become lines and counts by columns that the query gives', () => {
      for (const panel of panels) {
        const columns = panel.targets.map(
          ({ query }) => /^SELECT (.+?) FROM/.exec(query)?.[1] ?? '',
        );
        const split = splitBy(panel);
        if (split !== undefined) {
          expect(columns, panel.title).toEqual([expect.stringMatching(`^"\\w+", "${split}"$`)]);
          expect(panel.fieldConfig.defaults.displayName).toBe(`\${__field.labels.${split}}`);
        }
        const counted = panel.transformations?.find(({ id }) => id === 'groupBy');
        for (const name of Object.keys((counted?.options['fields'] as object) ?? {})) {
          expect(columns[0], panel.title).toContain(`"${name}"`);
        }
      }
    });

    test('variables used are declared, and filled from the same data source', () => {
      const declared = templating.list.map(({ name }) => name);
      const texts = [
        ...panels.flatMap(({ targets }) => targets.map(({ query }) => query)),
        ...templating.list.map(({ query }) => query),
        ...allLinks(dashboard).map(({ url }) => url),
      ];
      for (const name of texts.flatMap(used)) expect(declared).toContain(name);
      for (const { type, datasource, query, definition, multi, allValue } of templating.list) {
        if (type !== 'query') continue;
        expect(datasource).toEqual(dataSource);
        expect(definition).toBe(query);
        expect(allValue).toBe(multi ? '.*' : undefined);
      }
    });

    test('links lead to dashboards that exist or to the triage pages', () => {
      const uids = readDashboards().map(({ uid }) => uid);
      const links = allLinks(dashboard);
      expect(links.length).toBeGreaterThan(3);
      for (const { title, url } of links) {
        expect(title).not.toBe('');
        const uid = /^\/d\/([^/?]+)(?:\?|$)/.exec(url)?.[1];
        if (uid !== undefined) expect(uids).toContain(uid);
        else expect(url).toMatch(/^\$\{triage\}\/(devices(\/.+)?|edges)?$/);
      }
    });
  },
);

describe('queries', () => {
  test.each(allQueries().map(({ from, query }) => [from, query]))(
    '%s is portable InfluxQL over stored names',
    (_from, query) => {
      const { measurement, names, groups } = readInfluxql(query);
      expect(Object.keys(series)).toContain(measurement);
      const { tags, labels = [], fields } = tableOf(measurement);
      const known: string[] = [...tags, ...Object.keys(fields)];
      for (const name of names) expect(known, measurement).toContain(name);
      for (const name of groups) expect(tags, measurement).toContain(name);
      for (const name of groups) expect(labels, measurement).not.toContain(name);
    },
  );

  test.each([
    'SELECT holt_winters("ms", 1, 1) FROM "leg" WHERE $timeFilter',
    'SELECT mean("ms") FROM "leg"',
    'SELECT mean("ms"), "added_ms" FROM "leg" WHERE $timeFilter',
    'SELECT mean("ms") INTO "x" FROM "leg" WHERE $timeFilter',
    'SELECT mean("ms") FROM "leg" WHERE $timeFilter GROUP BY time($__interval) fill(linear)',
    'SELECT sum("a") FROM (SELECT sum("a") FROM (SELECT sum("a") FROM "leg" WHERE $timeFilter))',
    'SHOW SERIES CARDINALITY',
    'DROP MEASUREMENT "leg"',
    'SELECT mean("ms") FROM "leg" WHERE $timeFilter; DROP MEASUREMENT "leg"',
  ])('the check refuses %s', (query) => {
    expect(() => readInfluxql(query)).toThrow();
  });
});

describe('provisioning', () => {
  // https://grafana.com/docs/grafana/latest/datasources/influxdb/configure/#provision-the-data-source
  test('the data source has the fields Grafana asks for, and the uid the dashboards name', () => {
    const file = provisioned('datasources/whyslow.yaml');
    expect(file['apiVersion']).toBe(1);
    expect(file['datasources']).toEqual([
      {
        name: 'whyslow',
        uid: dataSource.uid,
        type: dataSource.type,
        access: 'proxy',
        url: '$WHYSLOW_INFLUXDB_URL',
        isDefault: true,
        editable: false,
        jsonData: {
          version: 'InfluxQL',
          dbName: '$WHYSLOW_INFLUXDB_DATABASE',
          httpMode: 'POST',
          timeInterval: '10s',
          httpHeaderName1: 'Authorization',
        },
        secureJsonData: { httpHeaderValue1: 'Token $WHYSLOW_INFLUXDB_TOKEN' },
      },
    ]);
  });

  // https://grafana.com/docs/grafana/latest/administration/provisioning/#dashboards
  test('the dashboards come from one folder of files, read-only in the browser', () => {
    const file = provisioned('dashboards/whyslow.yaml');
    expect(file['apiVersion']).toBe(1);
    expect(file['providers']).toEqual([
      expect.objectContaining({
        name: 'whyslow',
        type: 'file',
        allowUiUpdates: false,
        options: { path: '/var/lib/grafana/dashboards/whyslow' },
      }),
    ]);
  });
});
