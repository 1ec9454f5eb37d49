import type { HttpExchange } from '#contract/body/http.ts';
import type { HttpResult } from '#contract/result.ts';
import type { Bench } from './bench.ts';
import type { BinState } from './bin-state.ts';
import {
  type DeviceNow,
  establishedRtoMs,
  lagMs,
  lanMs,
  passRatioOf,
  retryMs,
  rounded,
  straightMs,
  sumOf,
  tunnelMs,
} from './device-now.ts';
import { isHit } from './draws.ts';
import { envelopeOf } from './envelope.ts';
import type { Use } from './population.ts';
import type { Application } from './topology.ts';
import { lastHop, type Passage, type Travel } from './travel.ts';

/** Round trips of a download beyond its first window of ten segments (RFC 6928). */
export const extraRounds = ({ bodyBytes }: Application): number =>
  Math.max(0, Math.ceil(Math.log2(1 + bodyBytes / 14_600)) - 1);

export const handshakeRounds = ({ tls }: Application): number => (tls === '1.3' ? 1 : 2);

/** What an overloaded edge adds to a TLS handshake, of what it adds to the opening (§16.2). */
export const overloadOnTls = 0.3;

export const runHttp = (bench: Bench, now: DeviceNow, use: Use, atMs: number): HttpResult => {
  const application = bench.topology.applications[use.appIndex] as Application;
  const run = { bench, now, use, application, lags: [] as number[] };
  const exchange = use.onward ? throughTunnel(run, use.onward) : straight(run);
  return {
    ...envelopeOf(bench, now, {
      appId: application.id,
      probeId: `${application.id}-http`,
      via: use.onward ? 'tunnel' : 'direct',
      atMs,
      durationMs: exchange.durationMs,
      lags: run.lags,
    }),
    type: 'http',
    body: {
      url: exchange.url,
      method: 'GET',
      httpVersion: '1.1',
      exchanges: [exchange],
      certificate: bench.certificates[use.appIndex] ?? null,
    },
  };
};

type Run = {
  bench: Bench;
  now: DeviceNow;
  use: Use;
  application: Application;
  lags: number[];
};

const lagged = ({ bench, now, lags }: Run): number => {
  const ms = lagMs(now, bench.travel);
  lags.push(ms);
  return ms;
};

const throughTunnel = (run: Run, onwardWay: NonNullable<Use['onward']>): HttpExchange => {
  const { bench, now, use, application } = run;
  const { travel, state } = bench;
  const onward = travel.onward(onwardWay);
  const edge = openAtEdge(bench, now, use, onward);
  const proxyConnectMs = lagged(run) + near(run) + edge.queueMs + edge.dnsMs + edge.connectMs;
  let tlsMs =
    lagged(run) + tlsWorkMs(run) + sumOf(state.at('edge-tls', now.device.edge.id), travel);
  tlsMs += overloadOnTls * sumOf(state.at('edge-queue', now.device.edge.id), travel);
  tlsMs += holeMs(state, onward) + holeMs(state, now.passage);
  for (let i = 0; i < handshakeRounds(application); i++) tlsMs += near(run) + far(bench, onward);
  const waitMs = lagged(run) + near(run) + far(bench, onward) + serverMs(run);
  let receiveMs = lagged(run) + transferMs(run);
  for (let i = 0; i < extraRounds(application); i++) receiveMs += far(bench, onward);
  return exchangeOf(run, {
    phases: phasesOf({ proxyConnectMs, tlsMs, waitMs, receiveMs }),
    dnsSource: null,
    edge: bench.random.chance(bench.options.edgeTimingMissingRatio) ? null : edge.timing,
    attempts: [],
  });
};

/** One round trip to the edge, with what its losses cost. */
const near = ({ bench: { travel }, now }: Run): number =>
  tunnelMs(now, travel) + retryMs(passRatioOf(now, now.passage), establishedRtoMs, travel);

const far = ({ travel }: Bench, onward: Passage, rtoMs = establishedRtoMs): number => {
  const last = lastHop(onward);
  const passRatio = onward.passRatio[last] as number;
  return travel.roundTripMs(onward, last) + retryMs(passRatio, rtoMs, travel);
};

/** What the edge does for a CONNECT, and says of it. */
export const openAtEdge = (bench: Bench, now: DeviceNow, use: Use, onward: Passage) => {
  const { options } = bench;
  const edgeId = now.device.edge.id;
  const queueMs = edgeQueueMs(bench, edgeId);
  const dnsMs = edgeDnsMs(bench, edgeId, use.appIndex);
  const connectMs = far(bench, onward, options.firstSynRtoMs);
  const timing = {
    edgeId,
    queueMs: rounded(queueMs),
    dnsMs: rounded(dnsMs),
    connectMs: rounded(connectMs),
    address: use.frontEnd.host.address,
  };
  return { queueMs, dnsMs, connectMs, timing };
};

export const edgeQueueMs = ({ travel, state, weather }: Bench, edgeId: string): number =>
  travel.random.exponential(0.3 * (1 + weather.office())) +
  sumOf(state.at('edge-queue', edgeId), travel);

export const edgeDnsMs = (bench: Bench, edgeId: string, appIndex: number): number =>
  resolveMs(bench) +
  sumOf(bench.state.at('edge-dns', edgeId), bench.travel) +
  sumOf(bench.state.at('application-dns', appIndex), bench.travel);

/** 65 of 100 names are in a cache. */
const resolveMs = ({ travel: { random } }: Bench): number =>
  isHit(random) ? random.between(0.5, 2) : missMs(random);

const missMs = (random: Travel['random']): number =>
  Math.min(60, Math.max(20, random.logNormal(35, 0.35)));

const straight = (run: Run): HttpExchange => {
  const { bench, now, use, application } = run;
  const { travel, state, options } = bench;
  if (!use.straight) throw new Error('no straight way');
  const passage = travel.firstLeg(now.device, use.straight);
  const passRatio = passRatioOf(now, passage);
  const round = (rtoMs = establishedRtoMs) =>
    straightMs(now, passage, travel) + retryMs(passRatio, rtoMs, travel);
  const dnsMs = lagged(run) + localDnsMs(run, passage);
  const connectMs = lagged(run) + round(options.firstSynRtoMs);
  let tlsMs = lagged(run) + tlsWorkMs(run) + holeMs(state, passage);
  for (let i = 0; i < handshakeRounds(application); i++) tlsMs += round();
  const waitMs = lagged(run) + round() + serverMs(run);
  let receiveMs = lagged(run) + transferMs(run);
  for (let i = 0; i < extraRounds(application); i++) receiveMs += round();
  const ended = rounded(dnsMs + connectMs);
  const { address } = use.frontEnd.host;
  return exchangeOf(run, {
    phases: phasesOf({ dnsMs, connectMs, tlsMs, waitMs, receiveMs }),
    dnsSource: 'cold',
    edge: null,
    attempts: [
      { address, family: 4, startedMs: rounded(dnsMs), endedMs: ended, outcome: 'connected' },
    ],
  });
};

/** From the cache of the site's own resolver, or over the line from the provider's. */
const localDnsMs = ({ bench, now, use }: Run, passage: Passage): number => {
  const { travel, state } = bench;
  const { random } = travel;
  const ms = isHit(random)
    ? random.between(0.5, 2)
    : missMs(random) + lanMs(now, travel) + travel.roundTripMs(passage, 1);
  return ms + sumOf(state.at('application-dns', use.appIndex), travel);
};

const tlsWorkMs = ({ bench: { travel, state }, application, use }: Run): number =>
  travel.random.logNormal(application.tlsWorkMs, 0.2) +
  sumOf(state.at('application-tls', use.appIndex), travel);

/** Large packets vanish until the sender has found out: a certificate chain is the first of them. */
const holeMs = (state: BinState, { way }: Passage): number => {
  if (state.isQuiet) return 0;
  let ms = 0;
  for (const link of way.links) for (const hole of state.holesIn(link)) ms += hole.ms;
  return ms;
};

const serverMs = ({ bench, application, use }: Run): number =>
  drawServerMs(bench, application, use.appIndex, use.frontEnd.id);

export const drawServerMs = (
  { travel, state, weather, options }: Bench,
  { serverMs: median }: Application,
  appIndex: number,
  frontEndId: string,
): number => {
  const { random } = travel;
  const usual = random.logNormal(median, 0.25 * options.noiseFactor) * (1 + 0.5 * weather.office());
  const slow = random.chance(0.03) ? random.between(2, 4) : 1;
  return (
    usual * slow +
    sumOf(state.at('server', `${appIndex}/all`), travel) +
    sumOf(state.at('server', `${appIndex}/${frontEndId}`), travel)
  );
};

const transferMs = ({ bench: { travel }, now, application }: Run): number =>
  (application.bodyBytes * 8) / (now.device.bandwidthMbps * 1_000) + sumOf(now.line, travel);

const noPhases = {
  dnsMs: null,
  connectMs: null,
  proxyConnectMs: null,
  tlsMs: null,
  waitMs: null,
  receiveMs: null,
};

const phasesOf = (given: Partial<HttpExchange['phases']>): HttpExchange['phases'] => {
  const phases = { ...noPhases, ...given } as HttpExchange['phases'];
  for (const name of Object.keys(given) as (keyof typeof phases)[]) {
    phases[name] = rounded(phases[name] as number);
  }
  return phases;
};

const exchangeOf = (
  { application, use }: Run,
  given: Pick<HttpExchange, 'phases' | 'dnsSource' | 'edge' | 'attempts'>,
): HttpExchange => {
  const p = given.phases;
  const opened = (p.dnsMs ?? 0) + (p.connectMs ?? 0) + (p.proxyConnectMs ?? 0);
  const known = given.edge !== null || use.onward === null;
  return {
    url: `https://${application.host}/`,
    status: 200,
    ...given,
    durationMs: rounded(opened + (p.tlsMs ?? 0) + (p.waitMs ?? 0) + (p.receiveMs ?? 0)),
    bodyBytes: application.bodyBytes,
    remoteAddress: known ? use.frontEnd.host.address : null,
    remotePort: use.onward ? null : 443,
    family: known ? 4 : null,
  };
};
