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

type PanelText = {
  title: string;
  /** What it shows and how to read it; every panel has one. */
  description: string;
  unit: string;
  queries: readonly string[];
  thresholds?: Threshold[];
  /** Where the next question is answered. */
  links?: readonly { title: string; url: string }[];
  width?: number;
  height?: number;
};

export const timeseries = (
  panel: PanelText & { stacked?: boolean; alias?: string },
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
    .targets(targets(panel.queries, 'time_series', panel.alias))
    .dataLinks(links(panel.links));
  return panel.stacked === true
    ? builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal))
    : builder;
};

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
    .targets(targets(panel.queries, 'time_series'))
    .dataLinks(links(panel.links));

export const table = (panel: PanelText): TableBuilder =>
  new TableBuilder()
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
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(multi);
  return multi ? builder.includeAll(true).allValue('.*') : builder;
};

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
