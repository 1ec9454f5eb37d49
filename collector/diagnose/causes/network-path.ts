import type { Hop } from '#contract/body/path.ts';
import type { Evidence, Segment } from '#contract/verdict.ts';
import { isDense } from '../beside-plan.ts';
import { firstRaisedHop, type HopStep, lateButInnocent, storedHops } from '../hops.ts';
import { nearest } from '../nearest.ts';
import { sayMs, sayPercent } from '../wording.ts';
import { type Cause, edgeName, nearRunMs, type Scene } from './cause.ts';

/** Leg 1: gateway to edge; straight runs have no edge and the leg ends at the application. */
export const clientToEdge: Cause = {
  group: 'network',
  noun: 'the internet path from the device',
  says: (ms, scene) =>
    scene.run.via === 'direct'
      ? `the network path to the application takes ${sayMs(ms)}`
      : `the internet path from the device to ${edgeName(scene)} takes ${sayMs(ms)}`,
  action: (scene) =>
    scene.run.via === 'direct'
      ? 'Look at the path below for the hop where the delay begins; report it to that network’s operator.'
      : 'Compare with other devices at the same place: if they are slow too, report it to the internet provider; else try another network.',
  fails: 'nothing comes back over the network path from the device',
  looks: (scene) => [...looksAtTunnelLoss(scene), ...looksAtUnderlay(scene), ...looksAtPath(scene)],
};

/** Leg 2: edge to origin, measured by the edge. */
export const edgeToOrigin: Cause = {
  group: 'network',
  noun: 'the path from the edge to the application',
  says: (ms, scene) => `the path from ${edgeName(scene)} to the application takes ${sayMs(ms)}`,
  action: () =>
    'Users of this edge all go this way: compare another edge, then report it to the edge’s provider with the path below.',
  fails: 'the edge does not reach the application',
  looks: (scene) => looksAtOnward(scene),
};

const looksAtTunnelLoss = (scene: Scene): Evidence[] => {
  const sample = tunnelNear(scene);
  const sent = sample?.fields.ping_sent_count ?? 0;
  const lost = sample?.fields.ping_lost_count ?? 0;
  if (sent === 0 || lost === 0) return [];
  return [
    {
      finding: 'context',
      segment: 'client-edge',
      text: `${lost} of ${sent} pings in the tunnel were not answered.`,
      value: lost / sent,
      baseline: null,
      unit: 'ratio',
    },
  ];
};

const looksAtUnderlay = (scene: Scene): Evidence[] => {
  const sample = tunnelNear(scene);
  const underlayMs = sample?.fields.underlay_rtt_ms ?? null;
  const controlMs = sample?.fields.control_rtt_ms ?? null;
  if (underlayMs === null || controlMs === null) return [];
  return [
    {
      finding: 'context',
      segment: 'client-edge',
      text: `Round trip to ${edgeName(scene)}: ${sayMs(underlayMs)} outside the tunnel, ${sayMs(controlMs)} inside.`,
      value: underlayMs,
      baseline: controlMs,
      unit: 'ms',
    },
  ];
};

const tunnelNear = (scene: Scene) =>
  nearest(scene.input.tunnel, nearRunMs(scene), (point) => point.fields.control_rtt_ms !== null);

/** Traces of the probe that went the judged run's way; failing that, of any. Never two targets mixed. */
const looksAtPath = (scene: Scene): Evidence[] => {
  const sound = scene.input.paths.filter((point) => point.fields.distorted !== 1);
  const sameWay = sound.filter((point) => point.tags.via === scene.run.via);
  const newest = (sameWay.length > 0 ? sameWay : sound).at(-1);
  if (newest === undefined) return [];
  const traces = sound.filter(
    (point) =>
      point.tags.probe === newest.tags.probe && point.fields.target === newest.fields.target,
  );
  return looksAtHops('client-edge', newest.fields.target ?? 'the target', traces);
};

const looksAtOnward = (scene: Scene): Evidence[] => {
  const samples = scene.input.onward.filter((point) => point.tags.edge === scene.run.run.tags.edge);
  const loss = samples.at(-1)?.fields.connect_loss_ratio ?? 0;
  const lost: Evidence[] =
    loss === 0
      ? []
      : [
          {
            finding: 'against',
            segment: 'edge-origin',
            text: `${sayPercent(loss)} of the edge’s own connects to the application failed.`,
            value: loss,
            baseline: null,
            unit: 'ratio',
          },
        ];
  return [
    ...lost,
    ...looksAtWaiting(scene),
    ...looksAtHops('edge-origin', scene.input.appName, samples),
  ];
};

/** An address that does not answer: what a hole in one family (RFC 8305 section 1) or a dead server looks like. */
const looksAtWaiting = ({ run }: Scene): Evidence[] => {
  const { edge_waited_ms: waitedMs, edge_address: address } = run.run.fields;
  if (waitedMs === null || waitedMs <= 0) return [];
  const family = address?.includes(':') ? 'IPv6' : 'IPv4';
  return [
    {
      finding: 'against',
      segment: 'edge-origin',
      text: `The edge waited ${sayMs(waitedMs)} for an address of the application that did not answer, before ${address ?? 'another'} (${family}) did.`,
      value: waitedMs,
      baseline: null,
      unit: 'ms',
    },
  ];
};

/** So many earlier traces say what the hops took before. */
const tracesCompared = 20;

const looksAtHops = (
  segment: Segment,
  target: string,
  points: readonly {
    fields: {
      hops: string | null;
      route_hash: string | null;
      request_id?: string | null;
      burst_id?: string | null;
    };
  }[],
): Evidence[] => {
  const usable = points
    .filter((point, i) => i === points.length - 1 || !isDense(point))
    .map(({ fields }) => ({ hops: storedHops(fields.hops), route: fields.route_hash }))
    .filter((trace) => trace.hops.length > 0)
    .slice(-1 - tracesCompared);
  const newest = usable.at(-1);
  if (newest === undefined) return [];
  const earlier = usable.slice(0, -1);
  const step = firstRaisedHop(
    newest.hops,
    earlier.map((trace) => trace.hops),
  );
  const before = earlier.at(-1);
  const moved = before !== undefined && before.route !== newest.route;
  return [
    ...(step === undefined ? [] : [stepEvidence(segment, target, step, moved)]),
    ...lateButInnocent(newest.hops)
      .slice(0, 2)
      .map((hop) => lateEvidence(segment, hop)),
  ];
};

const stepEvidence = (
  segment: Segment,
  target: string,
  step: HopStep,
  moved: boolean,
): Evidence => {
  const between = `${step.last === null ? 'at' : `between hop ${step.last.ttl} (${step.last.address}) and`} hop ${step.first.ttl} (${step.first.address})`;
  return {
    finding: step.comparedWith === 'past' ? 'against' : 'context',
    segment,
    text:
      step.comparedWith === 'past'
        ? `The path to ${target} is ${sayMs(step.riseMs)} slower than before from ${between} on${moved ? ', and the route has changed' : ''}.`
        : `The largest step of the path to ${target}, ${sayMs(step.riseMs)}, is ${between}; no earlier trace to compare with.`,
    value: step.riseMs,
    baseline: null,
    unit: 'ms',
  };
};

const lateEvidence = (segment: Segment, hop: Hop): Evidence => ({
  finding: 'cleared',
  segment,
  text: `Hop ${hop.ttl} (${hop.address}) answers late (${sayMs(hop.rttMedianMs ?? 0)}), later hops do not: the router is slow to answer, not to forward.`,
  value: hop.rttMedianMs,
  baseline: null,
  unit: 'ms',
});
