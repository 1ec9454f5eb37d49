import type { FieldOf, Measurement } from '#collector/store/schema.ts';
import type { Statistic, Store, TagFilter } from '#collector/store/store.ts';
import type { Chart } from './views.ts';
import { bucketTimes, type Window } from './window.ts';

/** One line of a chart: a field over time. */
export type LineQuery<M extends Measurement> = {
  key: string;
  label: string;
  measurement: M;
  field: FieldOf<M>;
  tags: TagFilter<M>;
  statistic: Statistic;
  /** Multiplies every value: 100 turns a ratio into per cent. */
  factor?: number;
};

export type Line = Chart['lines'][number];

/** A chart with its lines read side by side. */
export const readChart = async (
  chart: { id: string; title: string; unit: string; kind: Chart['kind'] },
  window: Window,
  lines: readonly Promise<Line>[],
): Promise<Chart> => ({
  ...chart,
  everyMs: window.everyMs,
  timesMs: bucketTimes(window),
  lines: await Promise.all(lines),
});

export const readLine = async <M extends Measurement>(
  store: Store,
  window: Window,
  query: LineQuery<M>,
): Promise<Line> => {
  const rows = await store.aggregate({
    measurement: query.measurement,
    field: query.field,
    statistics: [query.statistic],
    tags: query.tags,
    fromMs: window.fromMs,
    toMs: window.toMs,
    everyMs: window.everyMs,
  });
  const byTime = new Map(rows.map((row) => [row.timeMs, row.values[query.statistic] ?? null]));
  const factor = query.factor ?? 1;
  return {
    key: query.key,
    label: query.label,
    values: bucketTimes(window).map((timeMs) => {
      const value = byTime.get(timeMs) ?? null;
      return value === null ? null : value * factor;
    }),
  };
};

/** The phases of an HTTP run in the order in which they happen, and who measured them. */
const phases = [
  { key: 'dns', label: 'Name resolution', field: 'dns_ms' },
  { key: 'connect', label: 'TCP connect', field: 'connect_ms' },
  { key: 'proxy', label: 'Tunnel round trip', field: 'proxy_connect_ms' },
  { key: 'edge-queue', label: 'In the edge', field: 'edge_queue_ms' },
  { key: 'edge-dns', label: 'Edge: name resolution', field: 'edge_dns_ms' },
  { key: 'edge-waited', label: 'Edge: addresses without an answer', field: 'edge_waited_ms' },
  { key: 'edge-connect', label: 'Edge: connect to application', field: 'edge_connect_ms' },
  { key: 'tls', label: 'TLS handshake', field: 'tls_ms' },
  { key: 'wait', label: 'Waiting for the server', field: 'wait_ms' },
  { key: 'receive', label: 'Transfer', field: 'receive_ms' },
] as const satisfies readonly { key: string; label: string; field: FieldOf<'http'> }[];

/** Where the time went, each way that was measured: the two have other phases, so they never mix. */
export const phasesCharts = async (
  store: Store,
  window: Window,
  tags: { app: string; device?: string },
): Promise<Chart[]> => {
  const [tunnel, direct] = await Promise.all([
    phasesChart(store, window, { ...tags, via: 'tunnel' }),
    phasesChart(store, window, { ...tags, via: 'direct' }),
  ]);
  const charts = [
    { ...tunnel, title: 'Through the tunnel: where the time went' },
    { ...direct, id: 'phases-direct', title: 'Direct: where the time went' },
  ];
  const measured = charts.filter(({ lines }) => lines.length > 0);
  return measured.length > 0 ? measured : charts.slice(0, 1);
};

/** Stacked means, because only means of parts add up to the mean of the whole. */
const phasesChart = async (
  store: Store,
  window: Window,
  tags: TagFilter<'http'>,
): Promise<Chart> => {
  const chart = await readChart(
    { id: 'phases', title: 'Where the time went', unit: 'ms', kind: 'stacked' },
    window,
    phases.map(({ key, label, field }) =>
      readLine(store, window, { key, label, field, measurement: 'http', tags, statistic: 'mean' }),
    ),
  );
  return { ...chart, lines: withoutEdgeShare(chart.lines).filter(isMeasured) };
};

const isMeasured = (line: Line): boolean => line.values.some((value) => value !== null);

/** CONNECT's time contains what the edge says it spent; what is left is the tunnel's round trip. */
const withoutEdgeShare = (lines: readonly Line[]): Line[] => {
  const edge = lines.filter(({ key }) => key.startsWith('edge-'));
  return lines.map((line) =>
    line.key === 'proxy'
      ? {
          ...line,
          values: line.values.map((value, index) =>
            value === null
              ? null
              : Math.max(
                  0,
                  edge.reduce((left, { values }) => left - (values[index] ?? 0), value),
                ),
          ),
        }
      : line,
  );
};

export const tunnelChart = (store: Store, window: Window, deviceId: string): Promise<Chart> => {
  const line = (key: string, label: string, field: FieldOf<'tunnel'>) =>
    readLine(store, window, {
      key,
      label,
      field,
      measurement: 'tunnel',
      tags: { device: deviceId },
      statistic: 'median',
    });
  return readChart({ id: 'tunnel', title: 'Tunnel', unit: 'ms', kind: 'lines' }, window, [
    line('control', 'Round trip to the edge', 'control_rtt_ms'),
    line('queue', 'Queueing in the tunnel', 'queue_ms'),
    line('underlay', 'Outside the tunnel', 'underlay_rtt_ms'),
  ]);
};

export const gatewayChart = (store: Store, window: Window, deviceId: string): Promise<Chart> =>
  readChart({ id: 'gateway', title: 'Local network', unit: 'ms', kind: 'lines' }, window, [
    readLine(store, window, {
      key: 'gateway',
      label: 'Round trip to the gateway',
      field: 'gateway_rtt_ms',
      measurement: 'device',
      tags: { device: deviceId },
      statistic: 'median',
    }),
  ]);

export const loadChart = (store: Store, window: Window, deviceId: string): Promise<Chart> => {
  const line = (key: string, label: string, field: FieldOf<'device'>) =>
    readLine(store, window, {
      key,
      label,
      field,
      measurement: 'device',
      tags: { device: deviceId },
      statistic: 'mean',
      factor: 100,
    });
  return readChart({ id: 'load', title: 'Device load', unit: '%', kind: 'lines' }, window, [
    line('cpu', 'CPU', 'cpu_ratio'),
    line('memory', 'Memory', 'memory_used_ratio'),
  ]);
};
