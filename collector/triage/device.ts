import type { Measurement, Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import { applicationNames } from './catalogue.ts';
import { gatewayChart, loadChart, tunnelChart } from './charts.ts';
import { deviceSummary } from './devices.ts';
import { incidentsOf } from './incidents.ts';
import { verdictLines } from './verdicts.ts';
import type { DeviceView, EventLine, HealthNow, MissedLine, TunnelNow } from './views.ts';
import type { TriageParts, Window } from './window.ts';

/** One device: who it is, how it is, and what its applications are like; null when not enrolled. */
export const deviceView = async (
  { store, state }: TriageParts,
  deviceId: string,
  window: Window,
  nowMs: number,
): Promise<DeviceView | null> => {
  const row = await state.db.query.devices.findFirst({
    where: (table, { eq }) => eq(table.id, deviceId),
  });
  if (row === undefined) return null;
  const [names, marks] = await Promise.all([
    applicationNames(state),
    state.db.query.verdicts.findMany({
      columns: { deviceId: true, appId: true },
      where: (table, { eq }) => eq(table.deviceId, deviceId),
      limit: 512,
    }),
  ]);
  const [applications, tunnel, health, charts, events, missed, incidents] = await Promise.all([
    verdictLines(state, marks, names, nowMs),
    newestPoint(store, window, 'tunnel', deviceId),
    newestPoint(store, window, 'device', deviceId),
    Promise.all([
      tunnelChart(store, window, deviceId),
      gatewayChart(store, window, deviceId),
      loadChart(store, window, deviceId),
    ]),
    readEvents(store, window, deviceId),
    readMissed(store, window, deviceId),
    incidentsOf(state, { deviceId }, names, 20),
  ]);
  const worst = applications[0] ?? null;
  return {
    device: { ...deviceSummary(row, [], worst), applicationCount: applications.length },
    certificateNotAfter: row.certificateNotAfter,
    tunnel: tunnel === null ? null : tunnelNow(tunnel),
    health: health === null ? null : healthNow(health),
    charts,
    applications,
    events,
    missed,
    incidents,
  };
};

export const newestPoint = async <M extends 'tunnel' | 'device'>(
  store: Store,
  { fromMs, toMs }: Window,
  measurement: M,
  deviceId: string,
): Promise<Point<M> | null> => {
  const [point] = await store.select<Measurement>({
    measurement,
    fromMs,
    toMs,
    tags: { device: deviceId },
    order: 'newest-first',
    limit: 1,
  });
  return (point ?? null) as Point<M> | null;
};

const tunnelNow = ({ timeMs, tags, fields }: Point<'tunnel'>): TunnelNow => ({
  at: timeMs,
  state: fields.state ?? 'unknown',
  edgeId: tags.edge,
  controlRttMs: fields.control_rtt_ms,
  dataRttMs: fields.data_rtt_ms,
  queueMs: fields.queue_ms,
  underlayRttMs: fields.underlay_rtt_ms,
  streamCount: fields.stream_count,
  reconnectCount: fields.reconnect_count,
});

const healthNow = ({ timeMs, fields }: Point<'device'>): HealthNow => ({
  at: timeMs,
  cpuRatio: fields.cpu_ratio,
  memoryUsedRatio: fields.memory_used_ratio,
  linkName: fields.link_name,
  linkType: fields.link_type,
  linkSpeedMbps: fields.link_speed_mbps,
  gatewayAddress: fields.gateway_address,
  gatewayRttMs: fields.gateway_rtt_ms,
  gatewayLossRatio: fields.gateway_loss_ratio,
  spoolBytes: fields.spool_bytes,
});

const readEvents = async (
  store: Store,
  { fromMs, toMs }: Window,
  deviceId: string,
): Promise<EventLine[]> => {
  const points = await store.select({
    measurement: 'event',
    fromMs,
    toMs,
    tags: { source: 'device', source_id: deviceId },
    order: 'newest-first',
    limit: 50,
  });
  return points.map(({ timeMs, tags, fields }) => ({
    at: timeMs,
    name: tags.name,
    reason: fields.reason ?? '',
  }));
};

const readMissed = async (
  store: Store,
  { fromMs, toMs }: Window,
  deviceId: string,
): Promise<MissedLine[]> => {
  const rows = await store.aggregate({
    measurement: 'missed',
    field: 'run_count',
    statistics: ['sum'],
    by: ['probe', 'reason'],
    tags: { device: deviceId },
    fromMs,
    toMs,
  });
  return rows.map(({ tags, values }) => ({
    probeId: tags['probe'] ?? '',
    reason: tags['reason'] ?? '',
    runCount: values.sum ?? 0,
  }));
};
