import type { Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import type { DiagnosisInput } from './input.ts';
import { maxSampleDistanceMs, nearest, neighbours } from './nearest.ts';

/** What lay around a run: everything the split looks at besides the run itself. */
export type Surroundings = Pick<DiagnosisInput, 'tunnel' | 'device' | 'edge' | 'onward'>;

/** One run's time, split. Parts + residual = total; null: not measured, its time is in the residual. */
export type SplitRun = {
  run: Point<'http'>;
  via: 'tunnel' | 'direct';
  totalMs: number;
  parts: Record<Segment, number | null>;
  /** How each part was measured, in words; asked for only when a ledger is shown. */
  how: () => Record<Segment, string>;
  residualMs: number;
  /** Of the residual: time on the way to the edge and back that no tunnel sample explains. */
  unexplainedWayMs: number;
  /** A cached answer says nothing about the resolver: cold is compared with cold only. */
  lookup: 'cold' | 'warm';
  /** Slow-start rounds of the answer, and what the way was given for them. */
  rounds: number;
  roundsMs: number;
};

/**
 * Splits a successful run. Through the tunnel, with R1 = round trip device–edge, Q = queueing of
 * the data session, R2 = round trip edge–origin (the edge's TCP handshake), each phase holds
 *   CONNECT  = R1 + Q + edge queue + edge DNS + R2, and what the edge waited for addresses before
 *   TLS 1.3  = R1 + Q + R2 + the server's handshake work
 *   wait     = R1 + Q + R2 + the server
 *   receive  = r·R2 + transfer
 * and the agent's and the edge's event-loop delay once in each of the first three. Straight from
 * the device it is one round trip R (the TCP handshake) per phase. Every part is cut to the phase
 * it lies in: no part is negative and none is larger than what was measured.
 */
export const splitIntoLedger = (run: Point<'http'>, around: Surroundings): SplitRun =>
  run.tags.via === 'tunnel' ? splitTunnelRun(run, around) : splitDirectRun(run, around);

/** Initial window of ten full segments (RFC 6928). */
const initialWindowBytes = 14_600;
/** Below this the edge's answer came from its cache: no resolver beyond the machine answers so fast. */
const warmLookupMs = 2;

/** Rounds after the first that slow start needs for a body, the window doubling each time. */
export const extraRounds = (bodyBytes: number): number =>
  Math.max(0, Math.ceil(Math.log2(1 + bodyBytes / initialWindowBytes)) - 1);

/** Of a run's total: so much may its own round trips to the edge be longer than those sampled near it. */
const scatter = 0.15;
const shownFromMs = 0.05;

/** One phase's time, handed out share by share. */
const phase = (ms: number | null) => {
  let leftMs = Math.max(0, ms ?? 0);
  return {
    take(wantMs: number): number {
      const takenMs = Math.min(leftMs, Math.max(0, wantMs));
      leftMs -= takenMs;
      return takenMs;
    },
    rest: (): number => leftMs,
  };
};

const splitTunnelRun = (run: Point<'http'>, around: Surroundings): SplitRun => {
  const { fields } = run;
  const connect = phase(fields.proxy_connect_ms);
  const tls = phase(fields.tls_ms);
  const wait = phase(fields.wait_ms);
  const receive = phase(fields.receive_ms);
  const roundTrips = [connect, tls, wait];
  const takeEach = (ms: number) => roundTrips.reduce((sum, each) => sum + each.take(ms), 0);

  const told = fields.edge_queue_ms !== null;
  const edgeQueueMs = connect.take(fields.edge_queue_ms ?? 0);
  const edgeDnsMs = connect.take(fields.edge_dns_ms ?? 0);
  const waitedMs = connect.take(fields.edge_waited_ms ?? 0);
  const deviceLagMs = fields.loop_delay_ms ?? 0;
  const edgeLagMs = edgeLagNear(run, around);
  const leg2 = secondLeg(run, around, edgeLagMs);
  const rounds = extraRounds(fields.body_bytes ?? 0);

  // The order is the order of trust: what was measured in this run before what was sampled near it.
  const roundsMs = leg2 === null ? 0 : receive.take(rounds * leg2.ms);
  const onward = leg2 === null ? null : takeEach(leg2.ms) + roundsMs + waitedMs;
  const deviceMs = (fields.connect_ms ?? 0) + takeEach(deviceLagMs);
  const edgeLoopMs = takeEach(edgeLagMs);
  const leg1 = firstLeg(run, around, told ? connect.rest() : null, edgeLagMs);
  const gateway = leg1?.gatewayMs == null ? null : takeEach(leg1.gatewayMs);
  const path = leg1 === null ? null : takeEach(leg1.pathMs);
  const queue = leg1?.queueMs == null ? null : takeEach(leg1.queueMs);

  // A phase passes the edge's event loop with what is asked and with the answer: as far as CONNECT shows it.
  const againMs = told ? connect.take(edgeLagMs) : 0;
  const againInEdgeMs = againMs + tls.take(againMs) + wait.take(againMs);

  // What is left of CONNECT lay between device and edge (or in their programs). TLS and wait went
  // the same way, so as much of them is not the server's. A little is how round trips scatter; where
  // it is much the samples miss something, and it stays in the residual.
  const strayMs = told ? connect.rest() : 0;
  const wayMs = strayMs + tls.take(strayMs) + wait.take(strayMs);
  const scattersMs = path !== null && wayMs <= scatter * (fields.duration_ms ?? 0) ? wayMs : 0;
  const unexplainedWayMs = wayMs - scattersMs;
  const separable = leg2 !== null && (told || leg1 !== null);
  const trips = `${roundTripCount(fields)} round trips`;
  return finish({
    run,
    via: 'tunnel',
    unexplainedWayMs,
    rounds,
    roundsMs,
    lookup: (fields.edge_dns_ms ?? 0) >= warmLookupMs ? 'cold' : 'warm',
    parts: {
      device: deviceMs,
      gateway,
      'client-edge': path === null ? null : path + scattersMs,
      'tunnel-queue': queue,
      'in-edge': told ? edgeQueueMs + edgeLoopMs + againInEdgeMs : null,
      'edge-origin': onward,
      dns: told ? edgeDnsMs + (fields.dns_ms ?? 0) : null,
      tls: fields.tls_ms === null ? 0 : separable ? tls.rest() : null,
      server: separable && fields.wait_ms !== null ? wait.rest() : null,
      transfer: fields.receive_ms === null ? null : receive.rest(),
      page: null,
    },
    how: () => ({
      device: `agent's event-loop delay of ${show(deviceLagMs)} in each phase, and the local proxy's accept`,
      gateway:
        gateway === null
          ? 'no gateway round trip sampled near this run; it is inside the next line'
          : `${trips} of ${show(leg1?.gatewayMs ?? 0)} (gateway ping)`,
      'client-edge':
        leg1 === null
          ? 'no tunnel sample near this run'
          : `${trips} of ${show(leg1.pathMs)} (${leg1.from})${scattersMs < shownFromMs ? '' : `, and ${show(scattersMs)} more by this run's own CONNECT`}`,
      'tunnel-queue':
        leg1?.queueMs == null
          ? 'no queueing sampled near this run'
          : `${trips} with ${show(leg1.queueMs)} of queueing (data session's round trip less the control session's)`,
      'in-edge': told
        ? `queued ${show(edgeQueueMs)} (Server-Timing), edge's event-loop delay of ${show(edgeLagMs)} in each phase${againMs < shownFromMs ? '' : `, there and back (${show(againMs)})`}`
        : 'the edge sent no Server-Timing',
      'edge-origin':
        leg2 === null
          ? 'neither this run nor the edge measured this leg'
          : `${roundTripCount(fields) + rounds} round trips of ${show(leg2.ms)} (${leg2.from})${waitedMs < shownFromMs ? '' : `, and ${show(waitedMs)} for addresses that did not answer`}`,
      dns: told ? 'the edge’s look-up (Server-Timing)' : 'the edge sent no Server-Timing',
      tls:
        fields.tls_ms === null
          ? 'no TLS in this run'
          : separable
            ? `handshake of ${show(fields.tls_ms)} less its round trips`
            : 'the round trips in the handshake were not measured',
      server: separable
        ? `wait of ${show(fields.wait_ms ?? 0)} less its round trips`
        : 'the round trips in the wait were not measured',
      transfer: `first to last byte, ${fields.body_bytes ?? 0} bytes, less ${rounds} slow-start round trips`,
      page: 'measured by page loads, not by HTTP runs',
    }),
  });
};

const splitDirectRun = (run: Point<'http'>, around: Surroundings): SplitRun => {
  const { fields } = run;
  const connect = phase(fields.connect_ms);
  const tls = phase(fields.tls_ms);
  const wait = phase(fields.wait_ms);
  const receive = phase(fields.receive_ms);
  const takeEach = (ms: number) =>
    [connect, tls, wait].reduce((sum, each) => sum + each.take(ms), 0);

  const lagMs = fields.loop_delay_ms ?? 0;
  const deviceMs = takeEach(lagMs);
  const measured = fields.connect_ms !== null;
  const roundTripMs = connect.rest();
  const gatewayRttMs = gatewayNear(run.timeMs, around, lagMs, roundTripMs);
  const gateway = measured && gatewayRttMs !== null ? takeEach(gatewayRttMs) : null;
  const pathRttMs = roundTripMs - (gatewayRttMs ?? 0);
  const rounds = extraRounds(fields.body_bytes ?? 0);
  const roundsMs = measured ? receive.take(rounds * roundTripMs) : 0;
  const path = measured ? takeEach(pathRttMs) + roundsMs : null;
  const straight = 'this run went straight from the device';
  return finish({
    run,
    via: 'direct',
    unexplainedWayMs: 0,
    rounds,
    roundsMs,
    lookup: fields.dns_source === 'cold' ? 'cold' : 'warm',
    parts: {
      device: deviceMs,
      gateway,
      'client-edge': path,
      'tunnel-queue': null,
      'in-edge': null,
      'edge-origin': null,
      dns: fields.dns_ms ?? 0,
      tls: fields.tls_ms === null ? 0 : measured ? tls.rest() : null,
      server: measured && fields.wait_ms !== null ? wait.rest() : null,
      transfer: fields.receive_ms === null ? null : receive.rest(),
      page: null,
    },
    how: () => ({
      device: `agent's event-loop delay of ${show(lagMs)} in each phase`,
      gateway:
        gateway === null
          ? 'no gateway round trip sampled near this run; it is inside the next line'
          : `${roundTripCount(fields)} round trips of ${show(gatewayRttMs ?? 0)} (gateway ping)`,
      'client-edge': `no edge on the way: ${roundTripCount(fields) + rounds} round trips of ${show(pathRttMs)} to the application (TCP handshake less the gateway's)`,
      'tunnel-queue': straight,
      'in-edge': straight,
      'edge-origin': straight,
      dns: `look-up on the device (${fields.dns_source ?? 'none'})`,
      tls: fields.tls_ms === null ? 'no TLS in this run' : 'handshake less its round trip',
      server: `wait of ${show(fields.wait_ms ?? 0)} less its round trip`,
      transfer: `first to last byte, ${fields.body_bytes ?? 0} bytes, less ${rounds} slow-start round trips`,
      page: 'measured by page loads, not by HTTP runs',
    }),
  });
};

const finish = (split: Omit<SplitRun, 'totalMs' | 'residualMs'>): SplitRun => {
  const totalMs = split.run.fields.duration_ms ?? 0;
  let sumMs = 0;
  for (const ms of Object.values(split.parts)) sumMs += ms ?? 0;
  return { ...split, totalMs, residualMs: totalMs - sumMs };
};

const show = (ms: number): string => `${ms.toFixed(1)} ms`;

/** TCP (or CONNECT) and the request; TLS 1.3 where there was TLS. */
const roundTripCount = (fields: Point<'http'>['fields']): number =>
  fields.tls_ms === null ? 2 : 3;

type FirstLeg = {
  gatewayMs: number | null;
  pathMs: number;
  queueMs: number | null;
  /** What was measured and what was taken off, for the engineer who checks it. */
  from: string;
};

/** A program that wakes late reads every answer late; below 0.05 ms it is not worth the words. */
const less = (lagMs: number): string =>
  lagMs < 0.05 ? '' : ` less ${show(lagMs)} of event-loop delay`;

/**
 * Device to edge, per round trip, free of both programs' event-loop delay. Of the tunnel samples
 * before and after the run the one is taken whose round trip and queueing come nearest to what
 * this run's own CONNECT took, because a fault may have begun between sample and run.
 */
const firstLeg = (
  run: Point<'http'>,
  around: Surroundings,
  connectLeftMs: number | null,
  edgeLagMs: number,
): FirstLeg | null => {
  const { before, after } = neighbours(
    around.tunnel,
    run.timeMs,
    (sample) => sample.fields.control_rtt_ms !== null && sample.tags.edge === run.tags.edge,
  );
  const misses = (sample: Point<'tunnel'>): number =>
    Math.abs(
      (sample.fields.control_rtt_ms ?? 0) + (sample.fields.queue_ms ?? 0) - (connectLeftMs ?? 0),
    );
  const sample =
    connectLeftMs !== null && before && after
      ? misses(after) < misses(before)
        ? after
        : before
      : (before ?? after);
  if (sample === undefined) return null;
  const lagMs = deviceLagNear(sample.timeMs, around) ?? 0;
  const measuredMs = sample.fields.control_rtt_ms ?? 0;
  const roundTripMs = Math.max(0, measuredMs - lagMs - edgeLagMs);
  const gatewayMs = gatewayNear(run.timeMs, around, lagMs, roundTripMs);
  return {
    gatewayMs,
    pathMs: roundTripMs - (gatewayMs ?? 0),
    // Both round trips pass the edge's event loop, each at its own moment: a late one is no queue.
    queueMs:
      sample.fields.queue_ms === null ? null : Math.max(0, sample.fields.queue_ms - edgeLagMs),
    from: `control session's ${show(measuredMs)}${less(lagMs + edgeLagMs)}${gatewayMs === null ? '' : " and the gateway's"}`,
  };
};

/** Edge to origin, per round trip: this run's own handshake, else the edge's own measurement. */
const secondLeg = (
  run: Point<'http'>,
  around: Surroundings,
  edgeLagMs: number,
): { ms: number; from: string } | null => {
  const own = run.fields.edge_connect_ms;
  if (own !== null) {
    const from = `TCP handshake of this run, ${show(own)}${less(edgeLagMs)}`;
    return { ms: Math.max(0, own - edgeLagMs), from };
  }
  const sample = nearest(
    around.onward,
    run.timeMs,
    (point) => point.fields.connect_ms !== null && point.tags.edge === run.tags.edge,
  );
  return sample === undefined
    ? null
    : {
        ms: Math.max(0, (sample.fields.connect_ms ?? 0) - edgeLagMs),
        from: `the edge's own handshakes, within ${maxSampleDistanceMs / 60_000} min of this run`,
      };
};

/** Never more than the round trip it is part of: a gateway that answers pings late delays nobody. */
const gatewayNear = (
  timeMs: number,
  around: Surroundings,
  lagMs: number,
  atMostMs: number,
): number | null => {
  const sample = nearest(around.device, timeMs, (point) => point.fields.gateway_rtt_ms !== null);
  if (sample === undefined) return null;
  return Math.min(atMostMs, Math.max(0, (sample.fields.gateway_rtt_ms ?? 0) - lagMs));
};

const deviceLagNear = (timeMs: number, around: Surroundings): number | null =>
  nearest(around.device, timeMs, (point) => point.fields.loop_delay_ms !== null)?.fields
    .loop_delay_ms ?? null;

const edgeLagNear = (run: Point<'http'>, around: Surroundings): number =>
  nearest(
    around.edge,
    run.timeMs,
    (point) => point.tags.edge === run.tags.edge && point.fields.loop_delay_ms !== null,
  )?.fields.loop_delay_ms ?? 0;
