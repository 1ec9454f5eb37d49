import type { EdgeSample, FlowRecord } from '#contract/telemetry.ts';
import type { Point } from './schema.ts';

/** The edge's own account of one flow. */
export const flowPoint = (flow: FlowRecord): Point<'flow'> => ({
  measurement: 'flow',
  timeMs: Math.round(flow.at),
  tags: { device: flow.deviceId, edge: flow.edgeId, app: flow.appId ?? '' },
  fields: {
    flow_id: flow.id,
    user: flow.userId,
    host: flow.host === '' ? null : flow.host,
    port: flow.port,
    protocol: flow.protocol,
    up_bytes: flow.upBytes,
    down_bytes: flow.downBytes,
    queue_ms: flow.queueMs,
    dns_ms: flow.dnsMs,
    connect_ms: flow.connectMs,
    first_byte_ms: flow.firstByteMs,
    duration_ms: flow.durationMs,
    action: flow.action,
    rule: flow.rule === '' ? null : flow.rule,
    error: flow.error === '' ? null : flow.error,
  },
});

/** What an edge's dials took, by application, at the time of its sample. */
export const edgeApplicationPoints = (sample: EdgeSample): Point<'edge_app'>[] =>
  (sample.applications ?? []).map((application) => ({
    measurement: 'edge_app',
    timeMs: Math.round(sample.at),
    tags: { edge: sample.edgeId, app: application.appId },
    fields: {
      flow_count: application.flowCount,
      dns_ms: application.dnsMs,
      connect_ms: application.connectMs,
      first_byte_ms: application.firstByteMs,
    },
  }));
