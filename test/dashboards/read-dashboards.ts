import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboards, generatedFolder } from '#dashboards/build.ts';

export type Target = {
  refId: string;
  datasource: { type: string; uid: string };
  rawQuery: boolean;
  query: string;
  resultFormat: string;
  alias?: string;
};
export type Link = { title: string; url: string };
export type Panel = {
  id: number;
  type: string;
  title: string;
  description: string;
  datasource: { type: string; uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets: Target[];
  options: Record<string, unknown>;
  transformations?: { id: string; options: Record<string, unknown> }[];
  fieldConfig: {
    defaults: {
      unit: string;
      displayName?: string;
      thresholds: { steps: { value: number | null }[] };
      links: Link[];
    };
    overrides: { properties: { id: string; value: unknown }[] }[];
  };
};
export type Variable = {
  name: string;
  type: string;
  query: string;
  definition?: string;
  multi: boolean;
  allValue?: string;
  datasource?: { type: string; uid: string };
};
export type Dashboard = {
  uid: string;
  title: string;
  description: string;
  schemaVersion: number;
  links: Link[];
  templating: { list: Variable[] };
  panels: Panel[];
};

export const dashboardNames = Object.keys(dashboards) as (keyof typeof dashboards)[];

export const readGenerated = (name: string): string =>
  readFileSync(join(generatedFolder, `${name}.json`), 'utf8');

/** As committed, which is what Grafana gets. */
export const readDashboards = (): Dashboard[] =>
  dashboardNames.map((name) => JSON.parse(readGenerated(name)) as Dashboard);

export type DashboardQuery = { from: string; query: string; variables: Variable[] };

/** Every query of every panel and variable, with where it stands and the variables it may use. */
export const allQueries = (): DashboardQuery[] =>
  readDashboards().flatMap(({ title, panels, templating }) => {
    const variables = templating.list;
    return [
      ...panels.flatMap((panel) =>
        panel.targets.map(({ refId, query }) => ({
          from: `${title} / ${panel.title} / ${refId}`,
          query,
          variables,
        })),
      ),
      ...variables
        .filter(({ type }) => type === 'query')
        .map(({ name, query }) => ({ from: `${title} / variable ${name}`, query, variables })),
    ];
  });

/** Every link of a dashboard: above it, of its series, of its cells. */
export const allLinks = ({ links, panels }: Dashboard): Link[] => [
  ...links,
  ...panels.flatMap(({ fieldConfig }) => [
    ...fieldConfig.defaults.links,
    ...fieldConfig.overrides.flatMap(({ properties }) =>
      properties.filter(({ id }) => id === 'links').flatMap(({ value }) => value as Link[]),
    ),
  ]),
];
