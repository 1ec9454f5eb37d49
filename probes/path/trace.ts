import type { PathAnswer, PathProbePacket, TraceRequest } from './messages.ts';
import { firstBurst, laterRound, nextBurst, roundGapMs } from './strategy.ts';

/** The network as a trace sees it: one probe, one answer or none. */
export type SendProbe = (ttl: number, timeoutMs: number) => Promise<PathAnswer | null>;

/** How long a burst into the unknown waits for answers before the next one goes further. */
const burstWaitMs = 200;

/**
 * Runs the rounds of one trace: all TTLs of a round in flight at once. Ends early when `signal`
 * aborts; packets whose fate is not known then are left out, as they are not lost.
 */
export const runTrace = async (
  request: TraceRequest,
  send: SendProbe,
  signal: AbortSignal,
): Promise<PathProbePacket[]> => {
  const packets: PathProbePacket[] = [];
  const unknown = new Set<PathProbePacket>();
  const outstanding = new Set<Promise<void>>();
  const ask = (round: number, fromTtl: number, toTtl: number) => {
    for (let ttl = fromTtl; ttl <= toTtl; ttl += 1) {
      const packet: PathProbePacket = { ttl, round, answer: null };
      packets.push(packet);
      unknown.add(packet);
      const done = send(ttl, request.packetTimeoutMs).then((answer) => {
        packet.answer = answer;
        unknown.delete(packet);
        outstanding.delete(done);
      });
      outstanding.add(done);
    }
  };
  const settled = () => Promise.all(outstanding);

  const startedMs = performance.now();
  let asked = firstBurst(request);
  ask(0, 1, asked);
  await atMost(settled(), burstWaitMs, signal);
  for (;;) {
    const further = signal.aborted ? null : nextBurst(packets, asked, request.maxHops);
    if (further === null) break;
    ask(0, asked + 1, further);
    asked = further;
    await atMost(settled(), burstWaitMs, signal);
  }

  let previousMs = startedMs;
  for (let round = 1; round < request.packetCount && !signal.aborted; round += 1) {
    const gap = roundGapMs(round);
    const spentMs = performance.now() - previousMs;
    await atMost(settled(), Math.max(0, gap.mostMs - spentMs), signal);
    const restMs = gap.leastMs - (performance.now() - previousMs);
    if (restMs > 0) await atMost(new Promise(() => {}), restMs, signal);
    if (signal.aborted) break;
    previousMs = performance.now();
    ask(round, 1, laterRound(packets, request));
  }
  await atMost(settled(), request.packetTimeoutMs + 50, signal);
  return packets.filter((packet) => !unknown.has(packet));
};

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
    const timer = setTimeout(done, limitMs);
    signal.addEventListener('abort', done, { once: true });
    promise.then(done, done);
  });
