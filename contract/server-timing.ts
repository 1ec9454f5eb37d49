import type { EdgeTiming } from './body/connection.ts';

/**
 * How an edge tells what a flow cost it: `Server-Timing` (W3C) on its answer to CONNECT, durations
 * only, never times of day. `edge;desc="id", queue;dur=0.1, dns;dur=2.5, connect;dur=9.8, waited;dur=300,
 * address;desc="192.0.2.7", flow;desc="<uuid>"`; what there was not is left out. `flow` names the
 * record that the edge makes of it.
 */
export const formatEdgeTiming = (timing: EdgeTiming): string =>
  [
    `edge;desc="${timing.edgeId}"`,
    `queue;dur=${timing.queueMs.toFixed(3)}`,
    ...(timing.dnsMs === null ? [] : [`dns;dur=${timing.dnsMs.toFixed(3)}`]),
    ...(timing.connectMs === null ? [] : [`connect;dur=${timing.connectMs.toFixed(3)}`]),
    ...(timing.waitedMs === undefined ? [] : [`waited;dur=${timing.waitedMs.toFixed(3)}`]),
    ...(timing.address === null ? [] : [`address;desc="${timing.address}"`]),
    ...(timing.flowId === undefined ? [] : [`flow;desc="${timing.flowId}"`]),
  ].join(', ');

/** The reverse; null when the header is not an edge's. Unknown metrics are passed over. */
export const parseEdgeTiming = (header: string | undefined): EdgeTiming | null => {
  if (header === undefined) return null;
  const metrics = new Map<string, { dur: number | null; desc: string | null }>();
  for (const part of header.split(',')) {
    const [name = '', ...parameters] = part.trim().split(';');
    const read = (key: string) =>
      parameters
        .map((parameter) => parameter.trim())
        .find((parameter) => parameter.startsWith(`${key}=`))
        ?.slice(key.length + 1)
        .replace(/^"|"$/g, '') ?? null;
    const dur = read('dur');
    const ms = dur === null ? Number.NaN : Number.parseFloat(dur);
    metrics.set(name, { dur: Number.isFinite(ms) && ms >= 0 ? ms : null, desc: read('desc') });
  }
  const edgeId = metrics.get('edge')?.desc ?? null;
  if (edgeId === null) return null;
  const waitedMs = metrics.get('waited')?.dur ?? null;
  const flowId = metrics.get('flow')?.desc ?? '';
  return {
    edgeId,
    queueMs: metrics.get('queue')?.dur ?? 0,
    dnsMs: metrics.get('dns')?.dur ?? null,
    connectMs: metrics.get('connect')?.dur ?? null,
    ...(waitedMs === null ? {} : { waitedMs }),
    address: metrics.get('address')?.desc ?? null,
    ...(uuid.test(flowId) ? { flowId } : {}),
  };
};

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
