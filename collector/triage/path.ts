import { Type } from '@sinclair/typebox';
import type { Point } from '#collector/store/schema.ts';
import { Hop } from '#contract/body/path.ts';
import { check } from '#contract/check.ts';
import type { PathHop, PathLeg } from './views.ts';

const Hops = Type.Array(Hop);

/**
 * The path in legs: device to edge, and edge to application, each measured on its own and joined
 * by the edge. A trace straight to the application stands beside them. Nothing is summed over a
 * leg that was not measured.
 */
export const drawPath = (measured: {
  deviceName: string;
  applicationName: string;
  edgeId: string | null;
  /** Trace from the device to its edge, outside the tunnel. */
  toEdge: Point<'path'> | null;
  /** Trace from the device straight to the application. */
  direct: Point<'path'> | null;
  onward: Point<'onward'> | null;
  tunnel: Point<'tunnel'> | null;
}): PathLeg[] => {
  const { deviceName, applicationName, edgeId } = measured;
  const straight =
    measured.direct === null
      ? []
      : [traceLeg('direct', deviceName, applicationName, measured.direct)];
  if (edgeId === null) {
    if (straight.length > 0) return straight;
    return [missingLeg('direct', deviceName, applicationName, 'no trace of this application yet')];
  }
  const edgeName = `edge ${edgeId}`;
  return [
    firstLeg(deviceName, edgeName, measured.toEdge, measured.tunnel),
    onwardLeg(edgeName, applicationName, measured.onward),
    ...straight,
  ];
};

/** Device to edge. Without a trace the tunnel's own round trip still tells how long the leg is. */
const firstLeg = (
  from: string,
  to: string,
  trace: Point<'path'> | null,
  tunnel: Point<'tunnel'> | null,
): PathLeg => {
  const leg =
    trace === null
      ? missingLeg('to-edge', from, to, 'no trace from the device to this edge in this window')
      : traceLeg('to-edge', from, to, trace);
  if (leg.rttMs !== null || tunnel === null) return leg;
  const underlay = tunnel.fields.underlay_rtt_ms;
  const rttMs = underlay ?? tunnel.fields.control_rtt_ms;
  if (rttMs === null) return leg;
  return {
    ...leg,
    rttMs,
    measuredAt: tunnel.timeMs,
    how: underlay === null ? 'tunnel control session' : 'TCP handshake outside the tunnel',
  };
};

const traceLeg = (
  name: PathLeg['name'],
  from: string,
  to: string,
  point: Point<'path'>,
): PathLeg => {
  const { fields } = point;
  const hops = drawHops(readHops(fields.hops), fields.rtt_median_ms);
  return {
    name,
    from,
    to,
    measuredAt: point.timeMs,
    how: `${(fields.protocol ?? 'trace').toUpperCase()} trace, outside the tunnel${holeOf(fields)}`,
    missing: hops.length > 0 ? '' : whyNoHops(fields.failure_message, fields.method),
    address: fields.address,
    reached: fields.reached === null ? null : fields.reached === 1,
    rttMs: fields.rtt_median_ms,
    lossRatio: fields.loss_ratio,
    hops,
  };
};

/** The one thing about sizes that somebody must act on. */
const holeOf = ({ mtu_bytes, mtu_black_hole }: Point<'path'>['fields']): string =>
  mtu_black_hole === 1 ? `; packets above ${mtu_bytes} bytes vanish` : '';

const whyNoHops = (failureMessage: string | null, method: string | null): string => {
  if (failureMessage) return failureMessage;
  if (method === 'unprivileged')
    return 'the agent may not open raw sockets: it sees the target, not the hops';
  return 'the trace has no hops';
};

export const onwardLeg = (from: string, to: string, point: Point<'onward'> | null): PathLeg => {
  if (point === null)
    return missingLeg('onward', from, to, 'the edge has not measured this application yet');
  const { fields } = point;
  const hops = drawHops(readHops(fields.hops), fields.rtt_median_ms ?? fields.connect_ms);
  return {
    name: 'onward',
    from,
    to,
    measuredAt: point.timeMs,
    how: hops.length > 0 ? 'trace from the edge' : 'TCP handshake from the edge',
    missing: hops.length > 0 ? '' : fields.path_missing || 'the edge has no trace of it',
    address: fields.reached === 1 ? (hops.at(-1)?.address ?? null) : null,
    reached: fields.reached === null ? null : fields.reached === 1,
    rttMs: fields.rtt_median_ms ?? fields.connect_ms,
    lossRatio: fields.loss_ratio ?? fields.connect_loss_ratio,
    hops,
  };
};

const missingLeg = (name: PathLeg['name'], from: string, to: string, missing: string): PathLeg => ({
  name,
  from,
  to,
  measuredAt: null,
  how: '',
  missing,
  address: null,
  reached: null,
  rttMs: null,
  lossRatio: null,
  hops: [],
});

const readHops = (json: string | null): Hop[] => {
  if (!json) return [];
  try {
    const checked = check(Hops, JSON.parse(json));
    return checked.ok ? checked.value : [];
  } catch {
    return [];
  }
};

/**
 * Routers answer TTL-expired from a slow path and rate-limit it, so one late hop is normal: a hop
 * adds only what everything after it shares, up to the target's own answer.
 */
const drawHops = (hops: readonly Hop[], endToEndMs: number | null): PathHop[] => {
  const floors = sharedFloors(hops, endToEndMs);
  let reachedMs = 0;
  return hops.map((hop, index) => {
    const floorMs = floors[index] ?? null;
    const isSilent = hop.address === null || hop.rttMedianMs === null;
    const addedMs = isSilent || floorMs === null ? null : Math.max(0, floorMs - reachedMs);
    if (!isSilent && floorMs !== null) reachedMs = Math.max(reachedMs, floorMs);
    return {
      ttl: hop.ttl,
      address: hop.address,
      rttMs: hop.rttMedianMs,
      addedMs,
      lossRatio: hop.sentCount === 0 ? null : 1 - Math.min(1, hop.receivedCount / hop.sentCount),
      about: aboutHop(hop),
    };
  });
};

const aboutHop = (hop: Hop): string => {
  const owner = [hop.asn ? `AS${hop.asn}` : null, hop.asName, hop.country]
    .filter(Boolean)
    .join(' ');
  const branches = hop.branches?.map(
    ({ address, pathLossRatio }) =>
      `${address}${pathLossRatio ? ` loses ${Math.round(pathLossRatio * 100)} %` : ''}`,
  );
  return [
    hop.name,
    owner,
    hop.state === 'limited' ? 'limits its answers, which is no loss' : null,
    branches === undefined ? null : `${branches.length} branches: ${branches.join(', ')}`,
  ]
    .filter(Boolean)
    .join('; ')
    .slice(0, 1_000);
};

const sharedFloors = (hops: readonly Hop[], endToEndMs: number | null): (number | null)[] => {
  const floors: (number | null)[] = [];
  let floorMs = endToEndMs;
  for (const hop of [...hops].reverse()) {
    if (hop.rttMedianMs !== null)
      floorMs = floorMs === null ? hop.rttMedianMs : Math.min(floorMs, hop.rttMedianMs);
    floors.unshift(floorMs);
  }
  return floors;
};
