import type { PathProbePacket, TraceRequest } from './messages.ts';
import type { Flow } from './sockets/network.ts';
import {
  firstBurst,
  laterRound,
  nextBurst,
  patienceMs,
  roundGapMs,
  wasSilent,
} from './strategy.ts';

/** The network as a trace sees it: one probe, one answer or none. */
export type SendProbe = Flow['probe'];

/** The rounds of one flow: what was sent, and what is still on its way. */
export type Tracer = {
  packets: PathProbePacket[];
  ask(round: number, fromTtl: number, toTtl: number): void;
  /** Until all is answered, or nothing more is worth waiting for; `limitMs` at most. */
  wait(limitMs: number): Promise<void>;
  pause(ms: number): Promise<void>;
  /** Packets whose fate is known: others are not lost, the run was cut short. */
  settled(): PathProbePacket[];
};

export type OnPacket = (packet: PathProbePacket) => void;

/** How long a burst into the unknown waits for answers before the next one goes further. */
const burstWaitMs = 200;
/** A hop of a serial flow keeps all others waiting. */
const serialTimeoutMs = 500;

/**
 * Runs the rounds of one flow: all TTLs of a round in flight at once. Ends early when `signal`
 * aborts; packets whose fate is not known then are left out, as they are not lost.
 */
export const runTrace = async (
  request: TraceRequest,
  flow: Pick<Flow, 'probe' | 'isSerial'>,
  signal: AbortSignal,
  onPacket: OnPacket = () => {},
): Promise<PathProbePacket[]> => {
  const timeoutMs = flow.isSerial
    ? Math.min(serialTimeoutMs, request.packetTimeoutMs)
    : request.packetTimeoutMs;
  const tracer = createTracer({ flow, index: 0, timeoutMs, signal, onPacket });
  let roundStartedMs = performance.now();
  await firstRound(request, tracer, flow.isSerial, signal);

  for (let round = 1; round < request.packetCount && !signal.aborted; round += 1) {
    const gap =
      request.intervalMs === null
        ? roundGapMs(round)
        : { leastMs: request.intervalMs, mostMs: request.intervalMs };
    const spentMs = performance.now() - roundStartedMs;
    await tracer.wait(flow.isSerial ? Number.POSITIVE_INFINITY : gap.mostMs - spentMs);
    await tracer.pause(gap.leastMs - (performance.now() - roundStartedMs));
    if (signal.aborted) break;
    roundStartedMs = performance.now();
    const last = laterRound(tracer.packets, request);
    if (flow.isSerial) askAnswering(tracer, round, last);
    else tracer.ask(round, 1, last);
  }
  await tracer.wait(flow.isSerial ? Number.POSITIVE_INFINITY : timeoutMs + 50);
  return tracer.settled();
};

/** Finds how far it is: bursts of several TTLs, or, where a flow is serial, one after the other. */
const firstRound = async (
  request: TraceRequest,
  tracer: Tracer,
  isSerial: boolean,
  signal: AbortSignal,
): Promise<void> => {
  let asked = isSerial ? 1 : firstBurst(request);
  tracer.ask(0, 1, asked);
  await tracer.wait(isSerial ? Number.POSITIVE_INFINITY : burstWaitMs);
  while (!signal.aborted) {
    const further = nextBurst(tracer.packets, asked, request.maxHops, isSerial);
    if (further === null) return;
    tracer.ask(0, asked + 1, further);
    asked = further;
    await tracer.wait(isSerial ? Number.POSITIVE_INFINITY : burstWaitMs);
  }
};

/** Hops that stayed silent are not asked again where each costs a timeout; the target always is. */
const askAnswering = (tracer: Tracer, round: number, last: number): void => {
  for (let ttl = 1; ttl <= last; ttl += 1) {
    if (ttl === last || !wasSilent(tracer.packets, ttl)) tracer.ask(round, ttl, ttl);
  }
};

export const createTracer = (parts: {
  flow: Pick<Flow, 'probe'>;
  index: number;
  timeoutMs: number;
  signal: AbortSignal;
  onPacket: OnPacket;
}): Tracer => {
  const { flow, index, timeoutMs, signal, onPacket } = parts;
  const packets: PathProbePacket[] = [];
  const unknown = new Set<PathProbePacket>();
  const outstanding = new Set<Promise<void>>();

  const one = (round: number, ttl: number) => {
    const packet: PathProbePacket = { ttl, round, flow: index, answer: null };
    packets.push(packet);
    unknown.add(packet);
    const done = flow.probe(ttl, timeoutMs).then((answer) => {
      packet.answer = answer;
      unknown.delete(packet);
      outstanding.delete(done);
      if (!signal.aborted) onPacket(packet);
      if (packets.length > mostKept) packets.splice(0, mostKept / 2);
    });
    outstanding.add(done);
  };

  return {
    packets,
    ask(round, fromTtl, toTtl) {
      for (let ttl = fromTtl; ttl <= toTtl; ttl += 1) one(round, ttl);
    },
    async wait(limitMs) {
      const startedMs = performance.now();
      while (outstanding.size > 0 && !signal.aborted) {
        const mostMs = Math.min(limitMs, patienceMs(packets, unknown) ?? limitMs);
        const restMs = mostMs - (performance.now() - startedMs);
        if (restMs <= 0) return;
        await atMost(Promise.all(outstanding), Math.min(restMs, lookAgainMs), signal);
      }
    },
    pause: (ms) => (ms > 0 ? atMost(new Promise(() => {}), ms, signal) : Promise.resolve()),
    settled: () => packets.filter((packet) => !signal.aborted || !unknown.has(packet)),
  };
};

/** A live trace has no end; what is judged by is its recent past. */
const mostKept = 8_000;

/** What is worth waiting for changes with every answer. */
const lookAgainMs = 10;

/** Waits for a promise, a time or an abort, whichever comes first. */
export const atMost = (
  promise: Promise<unknown>,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(limitMs, 2 ** 31 - 1));
    signal.addEventListener('abort', done, { once: true });
    promise.then(done, done);
  });
