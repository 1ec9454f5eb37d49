import type { Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import type { EdgeFlow, RunLine } from './views.ts';
import type { Window } from './window.ts';

/** A run's time is the device's clock, a flow's the edge's: they may be so far apart. */
const mostSkewMs = 15 * 60_000;
/** Flows of one device looked through for those of its runs. */
const mostLookedAt = 20_000;

/** Puts beside each run the account that the edge gave of its flow, where it came. */
export const withEdgeFlows = async (
  store: Store,
  deviceId: string,
  runs: readonly RunLine[],
): Promise<RunLine[]> => {
  const asked = runs.filter(({ edgeFlowId }) => edgeFlowId !== null);
  if (asked.length === 0) return [...runs];
  const times = asked.map(({ at }) => at);
  const points = await store.select({
    measurement: 'flow',
    fromMs: Math.min(...times) - mostSkewMs,
    toMs: Math.max(...times) + mostSkewMs,
    tags: { device: deviceId },
    order: 'newest-first',
    limit: mostLookedAt,
  });
  const byId = new Map(points.map((point) => [point.fields.flow_id, point]));
  return runs.map((run) => {
    const point = run.edgeFlowId === null ? undefined : byId.get(run.edgeFlowId);
    return point === undefined ? run : { ...run, edgeFlow: edgeFlow(point) };
  });
};

/** The newest flows of one device, as far as its edges told them. */
export const deviceFlows = async (
  store: Store,
  window: Window,
  deviceId: string,
): Promise<EdgeFlow[]> => {
  const points = await store.select({
    measurement: 'flow',
    fromMs: window.fromMs,
    toMs: window.toMs,
    tags: { device: deviceId },
    order: 'newest-first',
    limit: 500,
  });
  return points.map(edgeFlow);
};

const edgeFlow = ({ timeMs, tags, fields }: Point<'flow'>): EdgeFlow => ({
  id: fields.flow_id ?? '',
  at: timeMs,
  edgeId: tags.edge,
  appId: tags.app,
  userId: fields.user ?? '',
  host: fields.host ?? '',
  port: fields.port,
  protocol: fields.protocol ?? '',
  upBytes: fields.up_bytes,
  downBytes: fields.down_bytes,
  queueMs: fields.queue_ms,
  dnsMs: fields.dns_ms,
  connectMs: fields.connect_ms,
  firstByteMs: fields.first_byte_ms,
  durationMs: fields.duration_ms,
  action: fields.action ?? '',
  rule: fields.rule ?? '',
  error: fields.error ?? '',
});
