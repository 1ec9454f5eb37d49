import type { Failure } from '#contract/failure.ts';
import type { PathProbe } from '#contract/plan.ts';
import type { PathBody } from '#contract/result.ts';
import { type CutShort, classifyCutShort, classifyError, failureOf } from '#probes/classify.ts';
import { startDeadline } from '#probes/deadline.ts';
import type { ProbeLog } from '#probes/log.ts';
import type { Outcome, Prober } from '#probes/probe.ts';
import { type Address, createNameResolver } from '#probes/resolve.ts';
import { hasRoute, measureEndToEnd } from './end-to-end.ts';
import { createPathEngine, type EngineAnswer, type PathEngine } from './engine.ts';
import { endToEndOf, hopsOf, routeHashOf, targetRoundTrips } from './statistics.ts';
import { endHop } from './strategy.ts';

/** How long a packet may be away; also half the run's time at most, so that a loss is seen as one. */
const packetTimeoutMs = 1_000;
/** Targets whose distance is remembered. */
const rememberedTargets = 1_000;

/**
 * Traces the way to a host and measures the round trip to it. Hops are asked with ICMP whatever the
 * protocol; `tcp` and `udp` say how the target itself is measured. Runs always go straight from the
 * device: a tunnel has no TTLs.
 */
export const createPathProber = ({
  engine,
  log,
}: {
  /** Shared with the gateway echo; left out: one of its own. */
  engine?: PathEngine;
  log?: ProbeLog;
} = {}): Prober<'path'> => {
  const own = engine ?? createPathEngine(log === undefined ? {} : { log });
  const distances = createDistances();

  return {
    type: 'path',
    async run(probe, context) {
      const startedMs = performance.now();
      const deadline = startDeadline(context.signal, probe.timeoutMs);
      try {
        const measured = await measure(probe, own, distances, deadline.signal);
        const { body, failure } = judge(probe, measured, deadline.cutShort());
        return outcomeOf(startedMs, body, failure);
      } finally {
        deadline.stop();
      }
    },
    stop: () => (engine === undefined ? own.stop() : Promise.resolve()),
  };
};

const outcomeOf = (
  startedMs: number,
  body: PathBody,
  failure: Failure | null,
): Outcome<'path'> => ({
  durationMs: performance.now() - startedMs,
  availability: body.reached && failure === null ? 1 : 0,
  failure,
  body,
});

type Distances = ReturnType<typeof createDistances>;

/** Hop counts of the last runs, so that a first burst does not shower a near target. */
const createDistances = () => {
  const hopCounts = new Map<string, number>();
  return {
    get: (address: string): number | null => hopCounts.get(address) ?? null,
    remember(address: string, hopCount: number): void {
      hopCounts.delete(address);
      hopCounts.set(address, hopCount);
      const [oldest] = hopCounts.keys();
      if (hopCounts.size > rememberedTargets && oldest !== undefined) hopCounts.delete(oldest);
    },
  };
};

/** Everything that came from the network, before it is judged. */
type Measured =
  | { kind: 'no-address'; error: unknown }
  | { kind: 'no-route'; address: string | null }
  | {
      kind: 'asked';
      address: string;
      /** How the target was asked in the end. */
      protocol: PathBody['protocol'];
      icmp: EngineAnswer;
      /** TCP or UDP round trips to the target; undefined where ICMP alone was used. */
      rttsMs: (number | null)[] | undefined;
    };

const measure = async (
  probe: PathProbe,
  engine: PathEngine,
  distances: Distances,
  signal: AbortSignal,
): Promise<Measured> => {
  const resolution = await createNameResolver().resolve(probe.host, signal);
  if (!resolution.ok) return { kind: 'no-address', error: resolution.error };
  // The other family's addresses are waited for only where the first ones lead nowhere.
  const address =
    (await firstWithRoute(resolution.addresses)) ?? (await firstWithRoute(await resolution.later));
  if (address === undefined) {
    return { kind: 'no-route', address: resolution.addresses[0]?.address ?? null };
  }

  const timeoutMs = Math.max(50, Math.min(packetTimeoutMs, probe.timeoutMs / 2));
  const endToEnd = (protocol: 'tcp' | 'udp') =>
    measureEndToEnd(
      { protocol, address, port: probe.port, count: probe.packetCount, timeoutMs },
      signal,
    );
  const [icmp, rttsMs] = await Promise.all([
    traceHops(probe, address, timeoutMs, engine, distances, signal),
    probe.protocol === 'icmp' ? undefined : endToEnd(probe.protocol),
  ]);
  if (icmp.kind === 'not-permitted' && probe.protocol === 'icmp') {
    return { kind: 'asked', address, protocol: 'tcp', icmp, rttsMs: await endToEnd('tcp') };
  }
  return { kind: 'asked', address, protocol: probe.protocol, icmp, rttsMs };
};

const firstWithRoute = async (addresses: readonly Address[]): Promise<string | undefined> => {
  for (const { address } of addresses) if (await hasRoute(address)) return address;
  return undefined;
};

const traceHops = async (
  probe: PathProbe,
  address: string,
  timeoutMs: number,
  engine: PathEngine,
  distances: Distances,
  signal: AbortSignal,
): Promise<EngineAnswer> => {
  const answer = await engine.trace(
    {
      address,
      packetCount: probe.packetCount,
      maxHops: probe.maxHops,
      knownHopCount: distances.get(address),
      packetTimeoutMs: timeoutMs,
    },
    signal,
  );
  const hopCount = answer.kind === 'packets' ? endHop(answer.packets) : null;
  if (hopCount !== null) distances.remember(address, hopCount);
  return answer;
};

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

const bodyOf = (probe: PathProbe, { address, protocol, icmp, rttsMs }: Asked): PathBody => {
  const packets = icmp.kind === 'packets' ? icmp.packets : [];
  const hops = hopsOf(packets);
  const target =
    rttsMs === undefined
      ? targetRoundTrips(packets)
      : { reached: rttsMs.some((rttMs) => rttMs !== null), rttsMs };
  return {
    target: probe.host,
    address,
    protocol,
    method: icmp.kind === 'not-permitted' ? 'unprivileged' : 'raw',
    reached: target.reached,
    hops,
    ...endToEndOf(target.rttsMs),
    routeHash: routeHashOf(hops),
  };
};

const failureOfAsked = (
  probe: PathProbe,
  { icmp, protocol }: Asked,
  body: PathBody,
  cutShort: CutShort | undefined,
): Failure | null => {
  if (cutShort === 'abandoned') return classifyCutShort('wait', cutShort);
  if (body.reached) return null;
  if (icmp.kind === 'crashed') return failureOf('agent.internal', 'prepare', icmp.reason);
  if (icmp.kind === 'not-permitted' && protocol !== probe.protocol) {
    const port = `port ${probe.port} did not answer a TCP connect either`;
    return failureOf('path.not_permitted', 'prepare', `${icmp.reason}; ${port}`);
  }
  return failureOf('path.not_reached', 'wait', notReached(icmp, body));
};

const notReached = (icmp: EngineAnswer, body: PathBody): string => {
  const packets = icmp.kind === 'packets' ? icmp.packets : [];
  const told = packets.find(({ answer }) => answer?.kind === 'unreachable');
  if (told !== undefined) return `the router at hop ${told.ttl} says it cannot deliver`;
  const unsent = packets.find(({ answer }) => answer?.kind === 'unsent');
  if (unsent?.answer?.kind === 'unsent') return `not sent: ${unsent.answer.message}`;
  const last = body.hops.at(-1);
  return last === undefined
    ? `no answer to ${body.protocol} probes, from the target or any hop`
    : `no answer to ${body.protocol} probes; the last hop that answered is number ${last.ttl}`;
};
