import type { Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import { applicationNames } from './catalogue.ts';
import { onwardLeg } from './path.ts';
import type { EdgeLine, OnwardLine } from './views.ts';
import type { TriageParts, Window } from './window.ts';

/** Edges one page shows; each is one small query. */
const maxEdges = 200;
const maxOnwardPoints = 1_000;

/** Every edge with its newest sample and what it measured onward. */
export const edgesView = async (
  { store, state }: TriageParts,
  window: Window,
): Promise<EdgeLine[]> => {
  const [rows, names, refused, dialFailed, onward] = await Promise.all([
    state.db.query.edges.findMany({ orderBy: (table, { asc }) => asc(table.id), limit: maxEdges }),
    applicationNames(state),
    sumByEdge(store, window, 'refused_count'),
    sumByEdge(store, window, 'dial_failed_count'),
    newestOnward(store, window, {}),
  ]);
  const samples = await Promise.all(rows.map(({ id }) => newestSample(store, window, id)));
  return rows.map((row, index) => ({
    id: row.id,
    location: row.location,
    host: row.host,
    port: row.port,
    programVersion: row.programVersion,
    lastSeenAt: row.lastSeenAt,
    revokedAt: row.revokedAt,
    ...sampleFields(samples[index] ?? null),
    refusedCount: refused.get(row.id) ?? 0,
    dialFailedCount: dialFailed.get(row.id) ?? 0,
    onward: onward
      .filter(({ tags }) => tags.edge === row.id)
      .map((point) => onwardLine(point, names.get(point.tags.app) ?? point.tags.app)),
  }));
};

const newestSample = async (
  store: Store,
  window: Window,
  edgeId: string,
): Promise<Point<'edge'> | null> => {
  const [point] = await store.select({
    measurement: 'edge',
    fromMs: window.fromMs,
    toMs: window.toMs,
    tags: { edge: edgeId },
    order: 'newest-first',
    limit: 1,
  });
  return point ?? null;
};

const sampleFields = (point: Point<'edge'> | null) => ({
  sampleAt: point?.timeMs ?? null,
  deviceCount: point?.fields.device_count ?? null,
  sessionCount: point?.fields.session_count ?? null,
  streamCount: point?.fields.stream_count ?? null,
  cpuRatio: point?.fields.cpu_ratio ?? null,
  loopDelayMs: point?.fields.loop_delay_ms ?? null,
  queueMs: point?.fields.queue_ms ?? null,
  dnsMs: point?.fields.dns_ms ?? null,
  connectMs: point?.fields.connect_ms ?? null,
});

const sumByEdge = async (
  store: Store,
  { fromMs, toMs }: Window,
  field: 'refused_count' | 'dial_failed_count',
): Promise<Map<string, number>> => {
  const rows = await store.aggregate({
    measurement: 'edge',
    field,
    statistics: ['sum'],
    by: ['edge'],
    fromMs,
    toMs,
  });
  return new Map(rows.map(({ tags, values }) => [tags['edge'] ?? '', values.sum ?? 0]));
};

/** The newest measurement per edge and application. */
export const newestOnward = async (
  store: Store,
  { fromMs, toMs }: Window,
  tags: { edge?: string; app?: string },
): Promise<Point<'onward'>[]> => {
  const points = await store.select({
    measurement: 'onward',
    fromMs,
    toMs,
    tags,
    order: 'newest-first',
    limit: maxOnwardPoints,
  });
  const newest = new Map<string, Point<'onward'>>();
  for (const point of points) {
    // Most samples of a burst have no trace: the one before them has.
    if (point.fields.burst_id !== null && point.fields.hops === null) continue;
    const key = `${point.tags.edge} ${point.tags.app}`;
    if (!newest.has(key)) newest.set(key, point);
  }
  return [...newest.values()].sort((a, b) =>
    `${a.tags.edge} ${a.tags.app}`.localeCompare(`${b.tags.edge} ${b.tags.app}`),
  );
};

export const onwardLine = (point: Point<'onward'>, applicationName: string): OnwardLine => ({
  edgeId: point.tags.edge,
  at: point.timeMs,
  dnsMs: point.fields.dns_ms,
  connectMs: point.fields.connect_ms,
  connectLossRatio: point.fields.connect_loss_ratio,
  leg: onwardLeg(`edge ${point.tags.edge}`, applicationName, point),
});
