import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  FieldColorBuilder,
  FieldColorModeId,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The provisioned data source (dashboards/provisioning/datasources). */
export const dataSource = { type: 'influxdb', uid: 'whyslow-influxdb' } as const;

/** Okabe–Ito: told apart with any colour vision. */
export const colours = {
  good: '#009E73',
  okay: '#E69F00',
  poor: '#D55E00',
  neutral: '#0072B2',
} as const;

/** Score bands: good 66–100, okay 34–65, poor 0–33. */
export const scoreSteps: Threshold[] = [
  { value: null, color: colours.poor },
  { value: 34, color: colours.okay },
  { value: 66, color: colours.good },
];

export const steps = (okayFrom: number, poorFrom: number): Threshold[] => [
  { value: null, color: colours.good },
  { value: okayFrom, color: colours.okay },
  { value: poorFrom, color: colours.poor },
];

/** A line is broken where nothing came for three of the longest default intervals (300 s). */
const gapMs = 900_000;

/** Share of runs that worked: below 95 % is poor, below 99 % is okay. */
export const shareSteps: Threshold[] = [
  { value: null, color: colours.poor },
  { value: 0.95, color: colours.okay },
  { value: 0.99, color: colours.good },
];

type PanelText = {
  title: string;
  /** What it shows and how to read it; every panel has one. */
  description: string;
  unit: string;
  queries: readonly string[];
  /** What a series is called: `$tag_<tag>` and `$col` are the data source's own words. */
  alias?: string;
  thresholds?: Threshold[];
  /** Where the next question is answered. */
  links?: readonly { title: string; url: string }[];
  width?: number;
  height?: number;
};

/** `splitBy`: the query gives rows, and a line is made of each value of this column. */
export const timeseries = (
  panel: PanelText & { stacked?: boolean; splitBy?: string },
): TimeseriesBuilder => {
  const builder = new TimeseriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(dataSource)
    .unit(panel.unit)
    .span(panel.width ?? 12)
    .height(panel.height ?? 8)
    .min(0)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(2)
    .fillOpacity(panel.stacked === true ? 40 : 0)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .insertNulls(gapMs)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .thresholds(thresholds(panel.thresholds))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    )
    .targets(
      targets(panel.queries, panel.splitBy === undefined ? 'time_series' : 'table', panel.alias),
    )
    .dataLinks(links(panel.links));
  if (panel.splitBy !== undefined) {
    builder.displayName(`\${__field.labels.${panel.splitBy}}`);
    for (const step of splitRows(panel.splitBy)) builder.withTransformation(step);
  }
  return panel.stacked === true
    ? builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal))
    : builder;
};

/** The newest rows come first, and a line is drawn from the oldest on. */
const splitRows = (column: string) => [
  { id: 'sortBy', options: { fields: {}, sort: [{ field: 'Time', desc: false }] } },
  {
    id: 'partitionByValues',
    options: { fields: [column], keepFields: false, naming: { asLabels: true } },
  },
];

export const stat = (panel: PanelText): StatBuilder =>
  new StatBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(dataSource)
    .unit(panel.unit)
    .span(panel.width ?? 4)
    .height(panel.height ?? 4)
    .noValue('no data')
    .thresholds(thresholds(panel.thresholds))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .targets(targets(panel.queries, 'time_series', panel.alias))
    .dataLinks(links(panel.links));

/** What is particular about a column. */
type Column = { unit?: string; links?: PanelText['links'] };

/**
 * `columns` in the order shown: the data source gives tags in any order. `countBy`: the query gives
 * rows, and one is shown for each combination of the other columns, with how many there are of `of`.
 */
export const table = (
  panel: Omit<PanelText, 'alias'> & {
    columns: Record<string, Column>;
    withTime: boolean;
    countBy?: { by: readonly string[]; of: string; as: string };
  },
): TableBuilder => {
  const builder = new TableBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(dataSource)
    .unit(panel.unit)
    .span(panel.width ?? 24)
    .height(panel.height ?? 8)
    .noValue('no data')
    .thresholds(thresholds(panel.thresholds))
    .targets(targets(panel.queries, 'table'))
    .dataLinks(links(panel.links));
  if (panel.countBy) builder.withTransformation(countRows(panel.countBy));
  const renamed = panel.countBy ? { [`${panel.countBy.of} (count)`]: panel.countBy.as } : {};
  builder.withTransformation(organize(Object.keys(panel.columns), panel.withTime, renamed));
  for (const [name, column] of Object.entries(panel.columns)) {
    const properties = [
      ...(column.unit === undefined ? [] : [{ id: 'unit', value: column.unit }]),
      ...(column.links === undefined ? [] : [{ id: 'links', value: [...column.links] }]),
    ];
    if (properties.length > 0) builder.overrideByName(name, properties);
  }
  return builder;
};

const countRows = ({ by, of }: { by: readonly string[]; of: string }) => ({
  id: 'groupBy',
  options: {
    fields: {
      ...Object.fromEntries(by.map((name) => [name, { operation: 'groupby', aggregations: [] }])),
      [of]: { operation: 'aggregate', aggregations: ['count'] },
    },
  },
});

/** Without `withTime` the time is only the start of the range, which says nothing. */
const organize = (
  columns: readonly string[],
  withTime: boolean,
  renameByName: Record<string, string>,
) => {
  const given = Object.entries(renameByName);
  const names = columns.map((name) => given.find(([, shown]) => shown === name)?.[0] ?? name);
  return {
    id: 'organize',
    options: {
      excludeByName: withTime ? {} : { Time: true },
      indexByName: Object.fromEntries(['Time', ...names].map((name, index) => [name, index])),
      renameByName,
    },
  };
};

const all = { text: 'All', value: '$__all', selected: true };

/** A variable filled by a query, refreshed with the time range. */
export const variable = (
  name: string,
  label: string,
  query: string,
  multi: boolean,
): QueryVariableBuilder => {
  const builder = new QueryVariableBuilder(name)
    .label(label)
    .datasource(dataSource)
    .query(query)
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(multi);
  return multi ? builder.includeAll(true).allValue('.*').current(all) : builder;
};

/** Where the collector's pages are for whoever looks; kept in the address bar with the others. */
export const triageVariable = (): TextBoxVariableBuilder =>
  new TextBoxVariableBuilder('triage')
    .label('Triage pages')
    .description('Address of the collector’s pages, which know the devices by name.')
    .defaultValue('http://127.0.0.1:8420');

/** A page of the collector; `path` may hold variables. */
export const triagePage = (path: string) => ({
  title: 'Triage page',
  url: `\${triage}${path}`,
});

/** The same above the panels. */
export const triageLink = (path: string): DashboardLinkBuilder =>
  new DashboardLinkBuilder('Triage page')
    .type(DashboardLinkType.Link)
    .url(triagePage(path).url)
    .tooltip('What the collector says of it, with the evidence')
    .targetBlank(true);

/** A link from one dashboard to another that keeps the time range and the variables. */
export const dashboardLink = (title: string, uid: string): DashboardLinkBuilder =>
  new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .url(`/d/${uid}`)
    .keepTime(true)
    .includeVars(true);

const thresholds = (list: Threshold[] | undefined): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(list ?? [{ value: null, color: colours.neutral }]);

const links = (list: PanelText['links']): DashboardLinkBuilder[] =>
  (list ?? []).map(({ title, url }) =>
    new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).targetBlank(false),
  );

/** One InfluxQL query as Grafana's InfluxDB data source takes it; the SDK has no builder for it. */
type InfluxqlTarget = Dataquery & {
  refId: string;
  datasource: typeof dataSource;
  rawQuery: true;
  query: string;
  resultFormat: 'time_series' | 'table';
  alias?: string;
};

const targets = (
  queries: readonly string[],
  resultFormat: InfluxqlTarget['resultFormat'],
  alias?: string,
): Builder<Dataquery>[] =>
  queries.map((query, index) => ({
    build: (): InfluxqlTarget => ({
      refId: String.fromCharCode(65 + index),
      datasource: dataSource,
      rawQuery: true,
      query,
      resultFormat,
      ...(alias === undefined ? {} : { alias }),
      _implementsDataqueryVariant: () => {},
    }),
  }));
