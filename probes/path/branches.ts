import type { PathProbePacket, TraceRequest } from './messages.ts';
import type { Flow } from './sockets/network.ts';
import { endHop, lastAnswering } from './strategy.ts';
import { createTracer, type OnPacket, runTrace, type Tracer } from './trace.ts';

/**
 * Probes that must have shown k branches and no other before k is believed, for a 95 % chance to
 * have seen all where a router balances evenly (Augustin et al. 2007, Veitch et al. 2009): index k−1.
 */
const stoppingCounts = [6, 11, 16, 21, 27, 33, 38, 44, 51, 57];
export const mostFlows = 64;

/** Between two flows' bursts: a first hop gets one packet of each. */
const flowGapMs = 15;
/** A router that limits what it says is asked again what it did not answer, ever more slowly. */
const retryGapsMs = [350, 700, 1_000];
const retrySpacingMs = 60;
/** The target's own answers; those of UDP are ICMP errors, which hosts limit to few a second. */
const endToEndGapMs = { icmp: 50, tcp: 50, udp: 300 } as const;
const endToEndSpacingMs = 2;

/**
 * Several flows to one target. First each flow's hops, one probe a TTL, with new flows until the
 * stopping rule is met at every hop; then `packetCount` probes of each flow that go all the way:
 * loss and round trips of a branch come from the target's answers to flows that take it, never from
 * what its routers say about expired TTLs.
 */
export const runFlows = async (
  request: TraceRequest,
  openFlow: (index: number) => Flow,
  signal: AbortSignal,
  onPacket: OnPacket = () => {},
): Promise<PathProbePacket[]> => {
  const flows: Flow[] = [];
  const tracers: Tracer[] = [];
  const add = (): Tracer => {
    const flow = openFlow(flows.length);
    const tracer = createTracer({
      flow,
      index: flows.length,
      timeoutMs: request.packetTimeoutMs,
      signal,
      onPacket,
    });
    flows.push(flow);
    tracers.push(tracer);
    return tracer;
  };
  const all = () => tracers.flatMap(({ packets }) => packets);
  try {
    const first = add();
    const known = await runTrace(
      { ...request, packetCount: 1 },
      flows[0] as Flow,
      signal,
      onPacket,
    );
    first.packets.push(...known);
    const end = endHop(known) ?? lastAnswering(known);
    if (end === 0) return known;
    while (!signal.aborted) {
      const missing = wantedFlows(request, all()) - flows.length;
      if (missing <= 0) break;
      await discover(Array.from({ length: missing }, add), tracers, end);
    }
    await measureEnds(request, tracers, end, signal);
    return tracers.flatMap((tracer) => tracer.settled());
  } finally {
    for (const flow of flows) flow.close();
  }
};

export const wantedFlows = (
  { flows }: Pick<TraceRequest, 'flows'>,
  packets: readonly PathProbePacket[],
): number => {
  if (flows !== 'branches') return Math.min(flows, mostFlows);
  const seen = new Map<number, Set<string>>();
  for (const { ttl, answer } of packets) {
    if (answer?.kind !== 'hop') continue;
    seen.set(ttl, (seen.get(ttl) ?? new Set()).add(answer.address));
  }
  const most = Math.max(1, ...[...seen.values()].map(({ size }) => size));
  return Math.min(mostFlows, stoppingCounts[most - 1] ?? mostFlows);
};

const discover = async (
  added: readonly Tracer[],
  tracers: readonly Tracer[],
  end: number,
): Promise<void> => {
  for (const tracer of added) {
    tracer.ask(0, 1, end);
    await tracer.pause(flowGapMs);
  }
  await Promise.all(added.map((tracer) => tracer.wait(Number.POSITIVE_INFINITY)));
  for (const [round, gapMs] of retryGapsMs.entries()) {
    const unanswered = added.flatMap((tracer) => silentTtls(tracer, tracers, end));
    if (unanswered.length === 0) return;
    await unanswered[0]?.tracer.pause(gapMs);
    for (const { tracer, ttl } of unanswered) {
      tracer.ask(round + 1, ttl, ttl);
      await tracer.pause(retrySpacingMs);
    }
    await Promise.all(added.map((tracer) => tracer.wait(Number.POSITIVE_INFINITY)));
  }
};

/** TTLs at which this flow got no answer and others did: a router's limit, or a loss. */
const silentTtls = (tracer: Tracer, tracers: readonly Tracer[], end: number) => {
  const answered = (one: Tracer, ttl: number) =>
    one.packets.some((packet) => packet.ttl === ttl && packet.answer !== null);
  return Array.from({ length: end - 1 }, (_, index) => index + 1)
    .filter((ttl) => !answered(tracer, ttl) && tracers.some((other) => answered(other, ttl)))
    .map((ttl) => ({ tracer, ttl }));
};

/** Every flow goes on to its own end: branches may differ in length. */
const measureEnds = async (
  request: TraceRequest,
  tracers: readonly Tracer[],
  end: number,
  signal: AbortSignal,
): Promise<void> => {
  if (tracers.every(({ packets }) => endHop(packets) === null)) return;
  const firstRound = retryGapsMs.length + 1;
  for (let round = 0; round < request.packetCount && !signal.aborted; round += 1) {
    const startedMs = performance.now();
    for (const tracer of tracers) {
      const ttl = endHop(tracer.packets) ?? end;
      tracer.ask(firstRound + round, ttl, ttl);
      await tracer.pause(endToEndSpacingMs);
    }
    const restMs = endToEndGapMs[request.protocol] - (performance.now() - startedMs);
    await tracers[0]?.pause(restMs);
  }
  await Promise.all(tracers.map((tracer) => tracer.wait(request.packetTimeoutMs + 50)));
};
