import type { Hop, PathBody } from '#contract/body/path.ts';
import type { Failure } from '#contract/failure.ts';
import type { PathProbe } from '#contract/plan.ts';
import { type CutShort, classifyCutShort, classifyError, failureOf } from '#probes/classify.ts';
import { startDeadline } from '#probes/deadline.ts';
import type { ProbeLog } from '#probes/log.ts';
import type { Outcome, Prober } from '#probes/probe.ts';
import { createPathEngine, type EngineAnswer, type PathEngine } from './engine.ts';
import { createHopNames, type HopNames } from './hop-names.ts';
import type { LastAddresses } from './last-addresses.ts';
import { createDistances, type Measured, measure } from './measure.ts';
import type { OriginTable } from './origins.ts';
import { endToEndOf, hopsOf, routeHashOf, targetRoundTrips } from './statistics.ts';

export type PathProberOptions = {
  /** Shared with the gateway echo; left out: one of its own. */
  engine?: PathEngine;
  /** Where HTTP probes went, for `follow`. */
  lastAddresses?: LastAddresses;
  /** Whose addresses are; left out: hops have no ASN and no country. */
  origins?: OriginTable;
  log?: ProbeLog;
};

/**
 * Traces the way to a host and measures the round trip to it, with the protocol that is wanted.
 * Runs always go straight from the device: a tunnel has no TTLs.
 */
export const createPathProber = (options: PathProberOptions = {}): Prober<'path'> => {
  const { engine, lastAddresses, origins, log } = options;
  const own = engine ?? createPathEngine(log === undefined ? {} : { log });
  const parts = { engine: own, distances: createDistances(), lastAddresses };
  const routes = createRoutes();
  const names = createHopNames();

  return {
    type: 'path',
    async run(probe, context) {
      const startedMs = performance.now();
      const deadline = startDeadline(context.signal, probe.timeoutMs);
      try {
        const measured = await measure(probe, parts, deadline.signal);
        const { body, failure } = judge(probe, measured, deadline.cutShort());
        const durationMs = performance.now() - startedMs;
        const hops = await describeHops(body.hops, {
          names: probe.names === true ? names : undefined,
          origins,
          signal: deadline.signal,
        });
        return outcomeOf(durationMs, { ...body, hops, ...routes.former(probe, body) }, failure);
      } finally {
        deadline.stop();
      }
    },
    stop: () => (engine === undefined ? own.stop() : Promise.resolve()),
  };
};

const outcomeOf = (
  durationMs: number,
  body: PathBody,
  failure: Failure | null,
): Outcome<'path'> => ({
  durationMs,
  availability: body.reached && failure === null ? 1 : 0,
  failure,
  body,
});

/** Probes whose last route is remembered. */
const rememberedRoutes = 1_000;

const createRoutes = () => {
  const last = new Map<string, string>();
  return {
    former({ id, protocol }: PathProbe, { address, routeHash }: PathBody) {
      if (routeHash === null) return {};
      const key = `${id} ${protocol} ${address}`;
      const before = last.get(key);
      last.delete(key);
      last.set(key, routeHash);
      const [oldest] = last.keys();
      if (last.size > rememberedRoutes && oldest !== undefined) last.delete(oldest);
      return before === undefined || before === routeHash ? {} : { formerRouteHash: before };
    },
  };
};

/** Names and owners of what answered, where somebody wants them. */
export const describeHops = async (
  hops: readonly Hop[],
  parts: { names: HopNames | undefined; origins: OriginTable | undefined; signal: AbortSignal },
): Promise<Hop[]> => {
  const addresses = hops.flatMap(({ address }) => (address === null ? [] : [address]));
  const names = await parts.names?.of(addresses, parts.signal);
  return hops.map((hop) => {
    if (hop.address === null) return hop;
    const origin = parts.origins && (parts.origins.of(hop.address) ?? unknownOrigin);
    return { ...hop, ...origin, ...(names && { name: names.get(hop.address) ?? null }) };
  });
};

const unknownOrigin = { asn: null, asName: null, country: null };

const judge = (
  probe: PathProbe,
  measured: Measured,
  cutShort: CutShort | undefined,
): { body: PathBody; failure: Failure | null } => {
  const nothing = emptyBody(probe);
  switch (measured.kind) {
    case 'no-address':
      return { body: nothing, failure: classifyError('dns', measured.error, cutShort) };
    case 'no-route': {
      const failure = failureOf(
        'tcp.address_unreachable',
        'connect',
        `this machine has no route to ${probe.host}`,
      );
      return { body: { ...nothing, address: measured.address }, failure };
    }
    case 'asked': {
      const body = bodyOf(probe, measured);
      return { body, failure: failureOfAsked(probe, measured, body, cutShort) };
    }
  }
};

const emptyBody = (probe: PathProbe): PathBody => ({
  target: probe.host,
  address: null,
  protocol: probe.protocol,
  method: 'raw',
  reached: false,
  hops: [],
  rttMinMs: null,
  rttMedianMs: null,
  jitterMs: null,
  lossRatio: null,
  routeHash: null,
});

type Asked = Extract<Measured, { kind: 'asked' }>;

const bodyOf = (probe: PathProbe, asked: Asked): PathBody => {
  const { address, protocol, traced, rttsMs, mtu } = asked;
  const packets = traced.kind === 'packets' ? traced.packets : [];
  const hops = hopsOf(packets);
  const target =
    rttsMs === undefined
      ? targetRoundTrips(packets)
      : { reached: rttsMs.some((rttMs) => rttMs !== null), rttsMs };
  const flowCount = new Set(packets.map(({ flow }) => flow)).size;
  return {
    target: probe.host,
    address,
    protocol,
    method: traced.kind === 'packets' ? traced.method : 'unprivileged',
    reached: target.reached,
    hops,
    ...endToEndOf(target.rttsMs),
    routeHash: routeHashOf(hops),
    ...(traced.kind === 'packets' && traced.protocol !== protocol
      ? { hopProtocol: traced.protocol }
      : {}),
    ...(flowCount > 1 ? { flowCount } : {}),
    ...(mtu === undefined ? {} : { mtu }),
  };
};

const failureOfAsked = (
  probe: PathProbe,
  { traced, protocol }: Asked,
  body: PathBody,
  cutShort: CutShort | undefined,
): Failure | null => {
  if (cutShort === 'abandoned') return classifyCutShort('wait', cutShort);
  if (body.reached) return null;
  if (traced.kind === 'crashed') return failureOf('agent.internal', 'prepare', traced.reason);
  if (traced.kind === 'not-permitted' && protocol !== probe.protocol) {
    const port = `port ${probe.port} did not answer a TCP connect either`;
    return failureOf('path.not_permitted', 'prepare', `${traced.reason}; ${port}`);
  }
  return failureOf('path.not_reached', 'wait', notReached(traced, body));
};

const notReached = (traced: EngineAnswer, body: PathBody): string => {
  const packets = traced.kind === 'packets' ? traced.packets : [];
  const told = packets.find(({ answer }) => answer?.kind === 'unreachable');
  if (told !== undefined) return `the router at hop ${told.ttl} says it cannot deliver`;
  const unsent = packets.find(({ answer }) => answer?.kind === 'unsent');
  if (unsent?.answer?.kind === 'unsent') return `not sent: ${unsent.answer.message}`;
  const last = body.hops.at(-1);
  return last === undefined
    ? `no answer to ${body.protocol} probes, from the target or any hop`
    : `no answer to ${body.protocol} probes; the last hop that answered is number ${last.ttl}`;
};
