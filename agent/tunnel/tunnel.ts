import type { EdgeEntry } from '#contract/policy.ts';
import type { ChangeEvent, TunnelSample } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { type Control, startControl } from './control.ts';
import { createDataPool, type DataPool, type DataSession } from './data-pool.ts';
import { type ChoiceState, chooseEdge, noChoice } from './edge-choice.ts';
import { type Flow, openFlow, StreamLost } from './flow.ts';
import { createRecentTimes } from './recent-times.ts';
import { FlowRefused, TunnelDown } from './refused.ts';
import { measureUnderlay } from './underlay.ts';

export type TunnelChange = Pick<ChangeEvent, 'name' | 'reason'> & { edgeId: string | null };

export type TunnelStatus = {
  state: TunnelSample['state'];
  edgeId: string | null;
  /** Why this edge, or why none. */
  reason: string;
  edges: { id: string; location: string; isUp: boolean; rttMs: number | null; problem: string }[];
};

export type Tunnel = {
  setEdges(edges: readonly EdgeEntry[], pinnedEdge: string): void;
  /** Throws FlowRefused, or TunnelDown. */
  connect(destination: {
    host: string;
    port: number;
    signal: AbortSignal;
    prefer?: readonly string[];
  }): Promise<Flow>;
  /**
   * Opens something on a data session to the edge in use, or to the first of `prefer` that is up. Asked
   * again on another session when the first went before it had answered. Throws as `connect` does.
   */
  withSession: WithSession;
  status(): TunnelStatus;
  takeSample(): Omit<TunnelSample, 'kind' | 'id' | 'deviceId' | 'at'>;
  /** Returns how to stop listening. */
  onChange(listener: (change: TunnelChange) => void): () => void;
  stop(): Promise<void>;
};

export type WithSession = <Opened>(
  open: (session: DataSession, edgeId: string) => Promise<Opened>,
  signal: AbortSignal,
  prefer?: readonly string[],
) => Promise<Opened>;

type Link = { edge: EdgeEntry; control: Control; pool: DataPool };

const roundMs = 5_000;
const underlayIntervalMs = 10_000;
/** Jitter lifts one round trip or another, a queue all of them: what is compared are the lowest. */
const queueWindowMs = 5_000;
/** A flow waits this long for a tunnel that is coming up. */
const waitForEdgeMs = 5_000;
/** The first choice waits this long for the measurements of the other edges. */
const settleMs = 1_500;
/** Control sessions kept; beyond it edges are not looked at unless one of these is removed. */
const maxLinks = 16;

/** The device's end of the tunnel: measures every edge, keeps to the closest, carries flows. */
export const createTunnel = (parts: {
  identity: () => Identity;
  log: Log;
  /** Monotonic milliseconds. */
  now?: () => number;
  pingIntervalMs?: number;
}): Tunnel => {
  const log = parts.log.child({ component: 'tunnel' });
  const now = parts.now ?? (() => performance.now());
  const pingIntervalMs = parts.pingIntervalMs ?? 1_000;
  const links = new Map<string, Link>();
  const leaving = new Set<DataPool>();
  const listeners = new Set<(change: TunnelChange) => void>();
  const waiting = new Set<() => void>();
  const stopping = new AbortController();
  let choice: ChoiceState = noChoice;
  let reason = 'no edge yet';
  let pinned = '';
  let firstUpMs: number | undefined;
  const dataRoundTrips = createRecentTimes(now);
  const queueing = createRecentTimes(now);
  let underlayRttMs: number | null = null;

  const tell = (change: TunnelChange) => {
    log.info(change, 'tunnel changed');
    for (const listener of listeners) listener(change);
  };
  const current = (): Link | undefined =>
    choice.edgeId === null ? undefined : links.get(choice.edgeId);

  const decide = () => {
    if (stopping.signal.aborted || isSettling()) return;
    const before = choice.edgeId;
    const candidates = [...links.values()].map(({ edge, control }) => ({
      id: edge.id,
      isUp: control.isUp(),
      rttMs: control.rttMs(),
    }));
    const chosen = chooseEdge(choice, candidates, pinned, now());
    choice = chosen.state;
    if (chosen.reason !== null) moveTo(chosen.reason, before);
    else if (choice.edgeId === null && before !== null) {
      reason = `edge ${before} lost: ${links.get(before)?.control.problem() ?? 'removed'}`;
      tell({ name: 'tunnel-down', edgeId: before, reason });
    }
  };
  const moveTo = (why: string, before: string | null) => {
    reason = why;
    dataRoundTrips.clear();
    queueing.clear();
    underlayRttMs = null;
    const link = current();
    // Of the time before it was in use.
    link?.control.roundTrips.takeMedianMs();
    link?.pool.warm();
    warmStandby();
    tell({ name: 'edge-chosen', edgeId: choice.edgeId, reason: `${choice.edgeId}: ${why}` });
    if (before === null) {
      tell({ name: 'tunnel-up', edgeId: choice.edgeId, reason: `on edge ${choice.edgeId}` });
    }
    wakeAll();
    if (link) void measureOutside(link);
  };
  /** The second best keeps a data session, so that losing the best costs no handshake. */
  const warmStandby = () => {
    [...links.values()]
      .filter(({ edge, control }) => edge.id !== choice.edgeId && control.isUp())
      .sort((a, b) => (a.control.rttMs() ?? 1e9) - (b.control.rttMs() ?? 1e9))[0]
      ?.pool.warm();
  };
  /** Before the first choice, edges that are still being reached get a moment to be measured. */
  const isSettling = (): boolean => {
    if (choice.edgeId !== null || firstUpMs === undefined) return false;
    const someNew = [...links.values()].some(({ control }) => control.isNew());
    return someNew && performance.now() - firstUpMs < settleMs;
  };
  const measureOutside = async ({ edge }: Link) => {
    const ms = await measureUnderlay(edge.host, edge.port);
    if (choice.edgeId === edge.id) underlayRttMs = ms;
  };
  const measureData = async () => {
    const link = current();
    const ms = await link?.pool.measureRtt();
    if (ms === null || ms === undefined || link !== current()) return;
    dataRoundTrips.add(ms);
    const dataMs = dataRoundTrips.lowestMs(queueWindowMs);
    const controlMs = link?.control.roundTrips.lowestMs(queueWindowMs) ?? null;
    if (dataMs !== null && controlMs !== null) queueing.add(Math.max(0, dataMs - controlMs));
  };

  const timers = [
    setInterval(decide, roundMs),
    setInterval(measureData, pingIntervalMs),
    setInterval(() => {
      const link = current();
      if (link) void measureOutside(link);
    }, underlayIntervalMs),
  ];

  const addLink = (edge: EdgeEntry) => {
    const control = startControl({
      edge,
      identity: parts.identity,
      pingIntervalMs,
      onUp: () => {
        if (firstUpMs === undefined) {
          firstUpMs = performance.now();
          setTimeout(decide, settleMs).unref();
        }
        decide();
        if (edge.id !== choice.edgeId) warmStandby();
      },
      onDown: (why, isSilent) => {
        log.info({ edgeId: edge.id, reason: why }, 'edge lost');
        // Flows under way may still end well (GOAWAY), new ones must not go there.
        const link = links.get(edge.id);
        if (link && isSilent) link.pool.doubt();
        if (link) replacePool(link);
        decide();
      },
      onFailed: () => {
        if (isHopeless()) wakeAll();
      },
      log,
    });
    links.set(edge.id, { edge, control, pool: newPool(edge) });
  };
  const newPool = (edge: EdgeEntry) =>
    createDataPool({ edge, identity: parts.identity, deadAfterMs: 20 * pingIntervalMs, log });
  const replacePool = (link: Link) => {
    leave(link.pool);
    link.pool = newPool(link.edge);
  };
  const leave = (pool: DataPool) => {
    pool.stop(true);
    leaving.add(pool);
  };
  const removeLink = (link: Link) => {
    link.control.stop();
    leave(link.pool);
    links.delete(link.edge.id);
  };

  const isHopeless = () =>
    [...links.values()].every(({ control }) => !control.isUp() && !control.isNew());
  const wakeAll = () => {
    for (const wake of [...waiting]) wake();
  };

  const preferred = (prefer: readonly string[]): Link | undefined =>
    prefer.map((id) => links.get(id)).find((link) => link?.control.isUp());
  const waitForEdge = async (signal: AbortSignal, prefer: readonly string[]): Promise<Link> => {
    const found = preferred(prefer) ?? current();
    if (found) return found;
    const woken = new AbortController();
    const wake = () => woken.abort();
    waiting.add(wake);
    if (!isHopeless()) {
      await sleep(waitForEdgeMs, AbortSignal.any([signal, stopping.signal, woken.signal]));
    }
    waiting.delete(wake);
    const link = preferred(prefer) ?? current();
    if (link) return link;
    throw new TunnelDown(reason);
  };

  const withSession: WithSession = async (open, signal, prefer = []) => {
    for (let attempt = 1; ; attempt += 1) {
      const link = await waitForEdge(signal, prefer);
      try {
        return await open(await link.pool.lease(), link.edge.id);
      } catch (error) {
        if (error instanceof FlowRefused || error instanceof TunnelDown) throw error;
        // The session went or would not come; nothing has been exchanged, so once more is safe.
        if (attempt >= 3 || signal.aborted) throw new TunnelDown((error as Error).message);
        if (!(error instanceof StreamLost)) await sleep(100 * attempt, signal);
      }
    }
  };

  return {
    setEdges(edges, pinnedEdge) {
      pinned = pinnedEdge;
      const wanted = new Map(
        [...edges]
          .sort((a, b) => Number(b.id === pinned) - Number(a.id === pinned))
          .slice(0, maxLinks)
          .map((edge) => [edge.id, edge]),
      );
      if (edges.length > maxLinks) {
        log.warn({ edgeCount: edges.length, maxLinks }, 'more edges than are measured');
      }
      for (const link of [...links.values()]) {
        if (JSON.stringify(wanted.get(link.edge.id)) !== JSON.stringify(link.edge))
          removeLink(link);
      }
      for (const edge of wanted.values()) if (!links.has(edge.id)) addLink(edge);
      decide();
    },
    connect({ host, port, signal, prefer }) {
      const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      return withSession(
        (session, edgeId) => openFlow({ session, edgeId, authority, signal }),
        signal,
        prefer,
      );
    },
    withSession,
    status: () => ({
      state: current() ? 'up' : links.size === 0 ? 'off' : 'connecting',
      edgeId: current()?.edge.id ?? null,
      reason,
      edges: [...links.values()].map(({ edge, control }) => ({
        id: edge.id,
        location: edge.location,
        isUp: control.isUp(),
        rttMs: control.rttMs(),
        problem: control.isUp() ? '' : control.problem(),
      })),
    }),
    takeSample() {
      const link = current();
      const pools = [...leaving, ...[...links.values()].map(({ pool }) => pool)];
      const bytes = pools.map((pool) => pool.takeBytes());
      const counts = pools.map((pool) => pool.counts());
      for (const pool of leaving) if (pool.counts().sessionCount === 0) leaving.delete(pool);
      const pings = [...links.values()].map(({ edge, control }) => ({
        isCurrent: edge.id === link?.edge.id,
        ...control.takeCounts(),
      }));
      const own = pings.find(({ isCurrent }) => isCurrent);
      return {
        edgeId: link?.edge.id ?? null,
        state: link
          ? 'up'
          : links.size === 0
            ? 'off'
            : firstUpMs === undefined
              ? 'connecting'
              : 'down',
        controlRttMs: link?.control.roundTrips.takeMedianMs() ?? null,
        dataRttMs: link ? dataRoundTrips.takeMedianMs() : null,
        queueMs: link ? queueing.takeMedianMs() : null,
        handshakeMs: link?.control.handshakeMs() ?? null,
        underlayRttMs: link ? underlayRttMs : null,
        sessionCount:
          sum(counts, 'sessionCount') + [...links.values()].filter((l) => l.control.isUp()).length,
        streamCount: sum(counts, 'streamCount'),
        upBytes: sum(bytes, 'up'),
        downBytes: sum(bytes, 'down'),
        reconnectCount: sum(pings, 'reconnectCount'),
        pingLostCount: own?.pingLostCount ?? 0,
        pingSentCount: own?.pingSentCount ?? 0,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopping.abort();
      for (const timer of timers) clearInterval(timer);
      for (const { control, pool } of links.values()) {
        control.stop();
        pool.stop(false);
      }
      for (const pool of leaving) pool.stop(false);
      links.clear();
    },
  };
};

const sum = <K extends string>(rows: readonly Record<K, number>[], key: K): number =>
  rows.reduce((total, row) => total + row[key], 0);
