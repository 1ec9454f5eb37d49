import type { Hop, PathBody } from '#contract/body/path.ts';
import { edgeApplicationId, edgePathProbeId } from '#contract/edge-path.ts';
import type { PathResult } from '#contract/result.ts';
import type { Bench } from './bench.ts';
import { type DeviceNow, lagMs, lanMs, medianOf, rounded } from './device-now.ts';
import { envelopeOf } from './envelope.ts';
import type { Icmp, Link } from './network.ts';
import type { Use } from './population.ts';
import type { Random } from './random.ts';
import type { Application } from './topology.ts';
import { lastHop, type Passage } from './travel.ts';

const probesAHop = 3;
const probesOfTarget = 10;

/** The way to the edge, outside the tunnel. */
export const traceToEdge = (bench: Bench, now: DeviceNow, atMs: number): PathResult => {
  const { edge } = now.device;
  return traceFrom(bench, now, now.traced, atMs, {
    appId: edgeApplicationId,
    probeId: edgePathProbeId(edge.id),
    target: `${edge.id}.edges.example`,
  });
};

/** The way straight to an application. */
export const traceStraight = (
  bench: Bench,
  now: DeviceNow,
  { appIndex, straight }: Use,
  atMs: number,
): PathResult => {
  const { id, host } = bench.topology.applications[appIndex] as Application;
  if (!straight) throw new Error('no straight way');
  const core = now.device.sameFlow ? straight.core : now.tracedCore;
  const passage = bench.travel.firstLeg(now.device, straight, core);
  return traceFrom(bench, now, passage, atMs, { appId: id, probeId: `${id}-path`, target: host });
};

const traceFrom = (
  bench: Bench,
  now: DeviceNow,
  passage: Passage,
  atMs: number,
  what: { appId: string; probeId: string; target: string },
): PathResult => {
  const { travel } = bench;
  const { site } = now.device;
  const lags: number[] = [];
  const lag = () => {
    const ms = lagMs(now, travel);
    lags.push(ms);
    return ms;
  };
  const answer = () =>
    travel.random.unit() < now.lanPassRatio ? lag() + lanMs(now, travel) : null;
  const gateway = hopOf(1, site.gatewayAddress, null, probesAHop, answer);
  const body = traceBody(bench, passage, answer, [gateway], what.target, 'icmp');
  const durationMs = rounded(Math.max(...body.hops.map(({ rttMaxMs }) => rttMaxMs ?? 1_000)));
  return {
    ...envelopeOf(bench, now, { ...what, via: 'direct', atMs, durationMs, lags }),
    type: 'path',
    body,
  };
};

/** `before`: one draw of what lies before the passage; null: it did not come through. */
export const traceBody = (
  bench: Bench,
  passage: Passage,
  before: () => number | null,
  first: Hop[],
  target: string,
  protocol: 'icmp' | 'tcp',
): PathBody => {
  const { links, hidden, answersFrom } = passage.way;
  const hops = first;
  const last = lastHop(passage);
  for (let i = 0; i < last; i++) {
    if (hidden[i]) continue;
    const link = links[i] as Link;
    hops.push(routerHop(bench, passage, i, answersFrom[i] ?? i, link, hops.length + 1, before));
  }
  const values = roundTrips(bench, passage, last, probesOfTarget, before);
  const jitterMs = jitterOf(values);
  const { to, address } = links[last] as Link;
  const end = filledHop(hops.length + 1, address, to.asn, probesOfTarget, values);
  hops.push(end);
  return {
    target,
    address,
    protocol,
    method: 'raw',
    reached: end.receivedCount > 0,
    hops,
    rttMinMs: end.rttMinMs,
    rttMedianMs: end.rttMedianMs,
    jitterMs,
    lossRatio: rounded(1 - end.receivedCount / probesOfTarget),
    routeHash: routeHashOf(hops),
    mtu: mtuOf(bench, passage),
  };
};

const roundTrips = (
  { travel }: Bench,
  passage: Passage,
  at: number,
  count: number,
  before: () => number | null,
): number[] => {
  const values: number[] = [];
  for (let i = 0; i < count; i++) {
    const beforeMs = before();
    if (beforeMs === null || !travel.comesBack(passage, at)) continue;
    values.push(beforeMs + travel.roundTripMs(passage, at));
  }
  return values;
};

const routerHop = (
  bench: Bench,
  passage: Passage,
  at: number,
  answersFrom: number,
  { to, address }: Link,
  ttl: number,
  before: () => number | null,
): Hop => {
  const { icmp } = to;
  if (icmp.silent) return silentHop(ttl);
  const { random } = bench.travel;
  const disguise = bench.state.isQuiet ? undefined : bench.state.disguise('replies', to.index);
  const lostRatio = Math.max(icmp.lostRatio, disguise?.lostRatio ?? 0);
  const slowMs = disguise?.slowMs ?? 0;
  const returnMs = icmp.returnMs + (disguise?.returnMs ?? 0);
  return hopOf(ttl, address, to.asn, probesAHop, () => {
    const beforeMs = before();
    if (beforeMs === null || !bench.travel.comesBack(passage, at)) return null;
    if (random.chance(lostRatio)) return null;
    const wayMs = bench.travel.roundTripMs(passage, answersFrom);
    return beforeMs + wayMs + returnMs + slowness(icmp, random) + slowMs * random.between(0.8, 1.2);
  });
};

const slowness = ({ slowMs, slowRatio }: Icmp, random: Random): number =>
  slowMs > 0 && random.chance(slowRatio) ? random.exponential(slowMs) : 0;

const hopOf = (
  ttl: number,
  address: string,
  asn: number | null,
  sentCount: number,
  answer: () => number | null,
): Hop => {
  const values: number[] = [];
  for (let i = 0; i < sentCount; i++) {
    const ms = answer();
    if (ms !== null) values.push(ms);
  }
  // An address is known from an answer only.
  if (values.length === 0) return { ...silentHop(ttl), sentCount };
  return filledHop(ttl, address, asn, sentCount, values);
};

/** Takes the values over, and sorts them. */
const filledHop = (
  ttl: number,
  address: string,
  asn: number | null,
  sentCount: number,
  values: number[],
): Hop => {
  const rttMedianMs = medianOf(values);
  const isEmpty = values.length === 0;
  return {
    ttl,
    address: isEmpty ? null : address,
    sentCount,
    receivedCount: values.length,
    rttMinMs: isEmpty ? null : rounded(values[0] as number),
    rttMedianMs,
    rttMaxMs: isEmpty ? null : rounded(values.at(-1) as number),
    state: isEmpty ? 'silent' : 'answering',
    asn: isEmpty ? null : asn,
  };
};

const silentHop = (ttl: number): Hop => ({
  ttl,
  address: null,
  sentCount: probesAHop,
  receivedCount: 0,
  rttMinMs: null,
  rttMedianMs: null,
  rttMaxMs: null,
  state: 'silent',
  asn: null,
});

const jitterOf = (values: readonly number[]): number | null => {
  if (values.length < 2) return null;
  let sum = 0;
  for (let i = 1; i < values.length; i++) {
    sum += Math.abs((values[i] as number) - (values[i - 1] as number));
  }
  return rounded(sum / (values.length - 1));
};

const routeHashOf = (hops: readonly Hop[]): string => {
  let hash = 0x811c9dc5;
  for (const { address } of hops) {
    if (address === null) continue;
    for (let i = 0; i < address.length; i++) {
      hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    }
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
};

const wide = { bytes: 1_500, blackHole: false, toldBy: null };
const narrow = { bytes: 1_400, blackHole: true, toldBy: null };

const mtuOf = ({ state }: Bench, { way }: Passage): NonNullable<PathBody['mtu']> =>
  !state.isQuiet && way.links.some((link) => state.holesIn(link).length > 0) ? narrow : wide;
