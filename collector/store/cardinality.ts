import { tableOf } from './row.ts';
import { type Measurement, measurements } from './schema.ts';

/** What a node of InfluxDB 1.x holds well: 500,000 took 4.8 GB of memory (docs/decisions/016). */
export const seriesBudget = 200_000;

type Run = { app: string; probe: string; via: string };

/** What can stand in the tags of a fleet's points once everything has happened in it. */
export type FleetShape = {
  deviceCount: number;
  edgeIds: readonly string[];
  /** Where a device's tunnel may be: on each edge, or on none (''). */
  places: readonly string[];
  /** Of each device's plan, by the measurement its results are stored in. */
  runs: Readonly<Record<RunMeasurement, readonly Run[]>>;
  /** Applications that flows are known as; of a flow that is of none, ''. */
  flowApps: readonly string[];
  /** Whether edges tell of flows at all. */
  flowsAreTold: boolean;
  /** Those that edges measure. */
  onwardApps: readonly string[];
};

export type RunMeasurement = 'http' | 'path' | 'page_load' | 'dns' | 'tcp' | 'tls' | 'voice';

/**
 * How many series InfluxDB will have of each measurement: the combinations of values that its tags
 * can have. Labels are no tags, so they do not count; which they are is the schema's to say.
 */
export const seriesOfFleet = (fleet: FleetShape): Record<Measurement, number> => {
  const dimensions = dimensionsOf(fleet);
  return Object.fromEntries(
    measurements.map((name) => [name, countSeries(seriesTagsOf(name), dimensions[name])]),
  ) as Record<Measurement, number>;
};

/** The tags that make series. */
export const seriesTagsOf = (measurement: Measurement): string[] => {
  const { tags, labels = [] } = tableOf(measurement);
  return tags.filter((tag) => !labels.includes(tag));
};

/** Values of tags that go together, row by row; each tag stands in one dimension of a measurement. */
type Dimension = { count: number; project(tags: readonly string[]): number };

const countSeries = (tags: readonly string[], dimensions: readonly Dimension[]): number =>
  // Without a value in any of them there is no point at all.
  dimensions.some(({ count }) => count === 0)
    ? 0
    : dimensions.reduce((product, dimension) => product * dimension.project(tags), 1);

/** So many values of one tag. */
const many = (tag: string, count: number): Dimension => ({
  count,
  project: (tags) => (tags.includes(tag) ? count : 1),
});

/** Rows of values: as many as differ in the tags that make series. */
const rows = (list: readonly Record<string, string>[]): Dimension => ({
  count: list.length,
  project: (tags) =>
    new Set(list.map((row) => JSON.stringify(tags.map((tag) => row[tag] ?? null)))).size,
});

const dimensionsOf = (fleet: FleetShape): Record<Measurement, Dimension[]> => {
  const devices = many('device', fleet.deviceCount);
  const edges = many('edge', fleet.edgeIds.length);
  const places = many('edge', fleet.places.length);
  const apps = (names: readonly string[]) => many('app', new Set(names).size);
  const runs = (name: RunMeasurement) => [devices, rows(fleet.runs[name]), places];
  const judged = (...names: RunMeasurement[]) =>
    apps(names.flatMap((name) => fleet.runs[name].map(({ app }) => app)));
  const probes = Object.values(fleet.runs).flat();
  return {
    http: runs('http'),
    path: runs('path'),
    page_load: runs('page_load'),
    dns: runs('dns'),
    tcp: runs('tcp'),
    tls: runs('tls'),
    voice: runs('voice'),
    tunnel: [devices, places],
    device: [devices],
    edge: [edges],
    edge_app: [devices, edges, apps(fleet.flowApps)],
    flow: [devices, edges, apps([...fleet.flowApps, '']), many('', fleet.flowsAreTold ? 1 : 0)],
    onward: [edges, apps(fleet.onwardApps)],
    verdict: [devices, judged('http', 'page_load')],
    // Only requests are split.
    leg: [devices, judged('http')],
    missed: [devices, rows(probes)],
    event: [many('source_id', fleet.deviceCount + fleet.edgeIds.length)],
    http_5m: runs('http'),
    http_1h: runs('http'),
    path_5m: runs('path'),
    page_load_5m: runs('page_load'),
    tunnel_5m: [devices, places],
  };
};
