import type { Log } from '#runtime/log.ts';
import type { DatagramFlow } from '../tunnel/udp-flow.ts';
import type { OpenUdp } from './open-udp.ts';
import type { FlowFacts } from './route.ts';

/** The flows of one source of datagrams, opened as they are needed and closed when they are not. */
export type UdpFlows = {
  /** Datagrams for a destination, told apart by `key`; its facts are asked for once. */
  send(key: string, datagrams: readonly Buffer[], facts: () => FlowFacts): void;
  count(): number;
  /** Those that were dropped, of both directions. */
  droppedCount(): number;
  stop(): void;
};

/** RFC 4787 section 4.3: a well-known port's own use may set a shorter time than its 2 minutes. */
const idleMs = { dns: 20_000, other: 120_000 };
const sweepMs = 5_000;
/** A destination that was refused, or where nobody listens, is not asked for again at once. */
const refusedMs = 2_000;
/** While a flow is being opened. */
const maxWaiting = 64;

type Entry = {
  key: string;
  isDns: boolean;
  usedMs: number;
  /** Until then nothing is opened. */
  shutUntilMs: number;
  waiting: Buffer[];
  flow: DatagramFlow | undefined;
  abort: AbortController;
};

export const createUdpFlows = (parts: {
  openUdp: OpenUdp;
  maxFlows: number;
  /** Datagrams that came back. */
  onDatagrams: (key: string, datagrams: readonly Buffer[]) => void;
  /** The flow went, or could not be opened. */
  onEnd?: (key: string) => void;
  log: Log;
}): UdpFlows => {
  const entries = new Map<string, Entry>();
  let dropped = 0;
  let isStopped = false;

  const forget = (entry: Entry) => {
    if (entries.get(entry.key) !== entry) return;
    entries.delete(entry.key);
    dropped += entry.waiting.length + (entry.flow?.droppedCount() ?? 0);
    entry.abort.abort();
    entry.flow?.close();
    parts.onEnd?.(entry.key);
  };
  const shut = (entry: Entry) => {
    if (entry.flow) dropped += entry.flow.droppedCount();
    dropped += entry.waiting.length;
    entry.waiting = [];
    entry.flow = undefined;
    entry.shutUntilMs = performance.now() + refusedMs;
  };
  const open = async (entry: Entry, facts: FlowFacts) => {
    const first = [...entry.waiting];
    const opened = await parts.openUdp(facts, entry.abort.signal, first);
    if (entries.get(entry.key) !== entry) {
      if (opened.ok) opened.flow.close();
      return;
    }
    if (!opened.ok) {
      const { host, port } = facts;
      parts.log.debug(
        { host, port, status: opened.status, headers: opened.headers },
        'UDP refused',
      );
      return shut(entry);
    }
    entry.flow = opened.flow;
    opened.flow.onDatagrams((datagrams) => {
      // Closing a flow ends its one direction: what was on its way comes all the same.
      if (entries.get(entry.key) !== entry) return;
      entry.usedMs = performance.now();
      parts.onDatagrams(entry.key, datagrams);
    });
    opened.flow.onClose((reason) => {
      // Idle at the edge, or cut: the next datagram opens it anew. Unreachable: not at once.
      if (reason === 'ended' || reason === 'cut') forget(entry);
      else shut(entry);
    });
    // What came while it was opened; `first` went with the request.
    const later = entry.waiting.slice(first.length);
    entry.waiting = [];
    if (later.length > 0) opened.flow.send(later);
  };
  const begin = (key: string, facts: FlowFacts): Entry => {
    if (entries.size >= parts.maxFlows) forgetOldest();
    const entry: Entry = {
      key,
      isDns: facts.port === 53,
      usedMs: performance.now(),
      shutUntilMs: 0,
      waiting: [],
      flow: undefined,
      abort: new AbortController(),
    };
    entries.set(key, entry);
    return entry;
  };
  const forgetOldest = () => {
    let oldest: Entry | undefined;
    for (const entry of entries.values()) {
      if (oldest === undefined || entry.usedMs < oldest.usedMs) oldest = entry;
    }
    if (oldest) forget(oldest);
  };
  const sweep = setInterval(() => {
    const nowMs = performance.now();
    for (const entry of [...entries.values()]) {
      if (nowMs - entry.usedMs > (entry.isDns ? idleMs.dns : idleMs.other)) forget(entry);
    }
  }, sweepMs);
  sweep.unref();

  return {
    send(key, datagrams, factsOf) {
      if (isStopped) return;
      const known = entries.get(key);
      const nowMs = performance.now();
      if (known?.flow) {
        known.usedMs = nowMs;
        return known.flow.send(datagrams);
      }
      if (known && (known.waiting.length > 0 || nowMs < known.shutUntilMs)) {
        const room = nowMs < known.shutUntilMs ? 0 : maxWaiting - known.waiting.length;
        known.waiting.push(...datagrams.slice(0, Math.max(0, room)));
        dropped += Math.max(0, datagrams.length - Math.max(0, room));
        return;
      }
      const facts = factsOf();
      const entry = known ?? begin(key, facts);
      entry.waiting = datagrams.slice(0, maxWaiting);
      dropped += datagrams.length - entry.waiting.length;
      open(entry, facts).catch((error) => {
        parts.log.error({ err: error }, 'flow failed inside the agent');
        forget(entry);
      });
    },
    count: () => entries.size,
    droppedCount() {
      let total = dropped;
      for (const { flow } of entries.values()) total += flow?.droppedCount() ?? 0;
      return total;
    },
    stop() {
      isStopped = true;
      clearInterval(sweep);
      for (const entry of [...entries.values()]) forget(entry);
    },
  };
};
