import type { EdgeEntry } from '#contract/policy.ts';
import type { Position } from '#contract/scalar.ts';
import type { ChangeEvent, TunnelSample } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Identity } from '#runtime/identity.ts';
import { createUnsentLimit } from '#runtime/kernel/unsent-limit.ts';
import type { Log } from '#runtime/log.ts';
import { createBurstNotice, type TunnelBurst } from './burst-notice.ts';
import { startControl } from './control.ts';
import { createDataPool, type DataPool, type DataSession } from './data-pool.ts';
import { createDegradations } from './degradations.ts';
import { type ChoiceState, chooseEdge, gainOf, noChoice } from './edge-choice.ts';
import { type Flow, openFlow, StreamLost } from './flow.ts';
import { candidateOf, type Link, standbyOf } from './link.ts';
import { startPathTimes } from './path-times.ts';
import { FlowRefused, TunnelDown } from './refused.ts';
import { maxMeasured, shortlist } from './shortlist.ts';

export type TunnelChange = Pick<ChangeEvent, 'name' | 'reason'> & { edgeId: string | null };

export type TunnelStatus = {
  state: TunnelSample['state'];
  edgeId: string | null;
  /** In use, or the last that was, so long as it is one of the organisation's. */
  lastEdgeId: string | null;
  /** Why this edge, or why none. */
  reason: string;
  edges: { id: string; location: string; isUp: boolean; rttMs: number | null; problem: string }[];
  /** What it must do without: the kernel's help, a standby, datagrams. */
  degradations: string[];
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
  /** While a burst lasts: the edge is told with each connection there; undefined: it is over. */
  setBurst(burst: TunnelBurst | undefined): void;
  /** Returns how to stop listening. */
  onChange(listener: (change: TunnelChange) => void): () => void;
  stop(): Promise<void>;
};

export type WithSession = <Opened>(
  open: (session: DataSession, edgeId: string) => Promise<Opened>,
  signal: AbortSignal,
  prefer?: readonly string[],
) => Promise<Opened>;

const defaultRoundMs = 5_000;
/** A flow waits this long for a tunnel that is coming up. */
const waitForEdgeMs = 5_000;
/** Between two looks at which edges of a large catalogue are measured. */
const remeasureRestMs = 60_000;
const forgetFailedMs = 600_000;
/** The first choice waits this long for the measurements of the other edges. */
const settleMs = 1_500;

/** The device's end of the tunnel: measures every edge, keeps to the closest, carries flows. */
export const createTunnel = (parts: {
  identity: () => Identity;
  log: Log;
  /** Monotonic milliseconds. */
  now?: () => number;
  pingIntervalMs?: number;
  /** Between two comparisons of the edges. */
  roundMs?: number;
  /** Where the device stands; left out: nobody said. */
  position?: Position;
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
  let lastChosen: string | null = null;
  let reason = 'no edge yet';
  let pinned = '';
  let firstUpMs: number | undefined;
  let catalogue: readonly EdgeEntry[] = [];
  let measuredCatalogue = '';
  let fittedAtMs = Number.NEGATIVE_INFINITY;
  const failedAtMs = new Map<string, number>();
  /** Edges that were ever on the list of those to measure. */
  const seen = new Set<string>();

  const tell = (change: TunnelChange) => {
    log.info(change, 'tunnel changed');
    for (const listener of listeners) listener(change);
  };
  const current = (): Link | undefined =>
    choice.edgeId === null ? undefined : links.get(choice.edgeId);
  const lastEdgeId = (): string | null =>
    choice.edgeId ?? (catalogue.some(({ id }) => id === lastChosen) ? lastChosen : null);

  const degradations = createDegradations((name, why) =>
    tell({ name, edgeId: choice.edgeId, reason: why }),
  );
  const unsentLimit = createUnsentLimit({
    log,
    onProblem: (why) => degradations.set('unsent-limit', `TCP_NOTSENT_LOWAT not set: ${why}`),
  });
  const burstNotice = createBurstNotice(now);
  const pathTimes = startPathTimes({ current, now, pingIntervalMs });

  const decide = (isRound = false) => {
    if (stopping.signal.aborted || isSettling()) return;
    const before = choice.edgeId;
    const candidates = [...links.values()].map(candidateOf);
    const chosen = chooseEdge(choice, candidates, pinned, now(), isRound);
    choice = chosen.state;
    if (chosen.reason !== null) moveTo(chosen.reason, before);
    else if (choice.edgeId === null && before !== null) {
      reason = `edge ${before} lost: ${links.get(before)?.control.problem() ?? 'removed'}`;
      pathTimes.restart();
      tell({ name: 'tunnel-down', edgeId: before, reason });
    }
    noteDegradations();
  };
  const noteDegradations = () => {
    const link = current();
    const isAlone = link && links.size > 1 && !standbyOf(links.values(), link.edge.id);
    degradations.set('standby', isAlone ? 'no second edge can be reached' : undefined);
    const isTcpOnly = link?.control.takesExtendedConnect() === false;
    degradations.set(
      'datagrams',
      isTcpOnly ? `edge ${link.edge.id} takes TCP only (no extended CONNECT)` : undefined,
    );
  };
  const moveTo = (why: string, before: string | null) => {
    reason = why;
    lastChosen = choice.edgeId;
    const link = current();
    link?.pool.warm();
    warmStandby();
    tell({ name: 'edge-chosen', edgeId: choice.edgeId, reason: `${choice.edgeId}: ${why}` });
    if (before === null) {
      tell({ name: 'tunnel-up', edgeId: choice.edgeId, reason: `on edge ${choice.edgeId}` });
    }
    wakeAll();
    pathTimes.restart();
  };
  /** The second best keeps a data session, so that losing the best costs no handshake. */
  const warmStandby = () => standbyOf(links.values(), choice.edgeId)?.pool.warm();
  /** Before the first choice, edges that are still being reached get a moment to be measured. */
  const isSettling = (): boolean => {
    if (choice.edgeId !== null || firstUpMs === undefined) return false;
    const someNew = [...links.values()].some(({ control }) => control.isNew());
    return someNew && performance.now() - firstUpMs < settleMs;
  };
  /** Of a large catalogue other edges are worth a look once the first have been measured. */
  const remeasure = () => {
    const all = [...links.values()];
    const isMeasured = all.every(({ control }) => !control.isNew());
    const hasRested = now() - fittedAtMs >= remeasureRestMs || links.size === 0;
    if (catalogue.length > maxMeasured && isMeasured && hasRested) fitLinks();
  };
  const fitLinks = () => {
    const all = [...links.values()];
    fittedAtMs = measuredCatalogue === '' ? Number.NEGATIVE_INFINITY : now();
    noteFailed(all);
    const keep = [pinned, choice.edgeId].flatMap((id) => (id ? [id] : []));
    const wanted = shortlist({
      edges: catalogue,
      position: parts.position,
      keep,
      rttMs: new Map(
        all.flatMap(({ edge, control }) => {
          const ms = control.isUp() ? control.rttMs() : null;
          return ms === null ? [] : [[edge.id, ms] as const];
        }),
      ),
      failed: new Set(failedAtMs.keys()),
    });
    const byId = new Map(wanted.map((edge) => [edge.id, edge]));
    for (const link of all) {
      if (JSON.stringify(byId.get(link.edge.id)) !== JSON.stringify(link.edge)) removeLink(link);
    }
    const added = wanted.filter(({ id }) => !links.has(id));
    for (const edge of added) addLink(edge);
    const firstSeen = added.map(({ id }) => id).filter((id) => !seen.has(id));
    for (const id of firstSeen) seen.add(id);
    // What the choice was made without need not wait for its rest; what comes back must.
    if (all.length > 0 && measuredCatalogue === JSON.stringify(catalogue)) {
      choice = { ...choice, unheard: [...choice.unheard, ...firstSeen] };
    }
    measuredCatalogue = JSON.stringify(catalogue);
  };

  /** Remembered for a while after they have left the list, or they would be back on it at once. */
  const noteFailed = (all: readonly Link[]) => {
    for (const [id, atMs] of failedAtMs) if (now() - atMs > forgetFailedMs) failedAtMs.delete(id);
    for (const { edge, control } of all) {
      if (control.isUp()) failedAtMs.delete(edge.id);
      else if (!control.isNew()) failedAtMs.set(edge.id, now());
    }
  };

  const timers = [
    setInterval(() => {
      decide(true);
      remeasure();
      // Edges end a session that nothing uses.
      warmStandby();
    }, parts.roundMs ?? defaultRoundMs),
  ];

  const addLink = (edge: EdgeEntry) => {
    const control = startControl({
      edge,
      identity: parts.identity,
      pingIntervalMs,
      now,
      isBusy: () => edge.id === choice.edgeId && (links.get(edge.id)?.pool.isBusy() ?? false),
      onMissed: () => {
        // Whether they answer tells this edge's silence from the device's own.
        for (const link of links.values()) if (link.edge.id !== edge.id) link.control.askNow();
        decide();
      },
      isOtherHeard: (sinceMs) =>
        [...links.values()].some(
          (link) => link.edge.id !== edge.id && link.control.heardAtMs() > sinceMs,
        ),
      onUp: () => {
        if (firstUpMs === undefined) {
          firstUpMs = performance.now();
          setTimeout(decide, settleMs).unref();
        }
        decide();
        if (edge.id !== choice.edgeId) warmStandby();
        noteDegradations();
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
    createDataPool({
      edge,
      identity: parts.identity,
      unsentLimit,
      rttMs: () => links.get(edge.id)?.control.rttMs() ?? null,
      deadAfterMs: 20 * pingIntervalMs,
      log,
    });
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
        link.control.hurry();
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
      catalogue = edges;
      fitLinks();
      decide();
    },
    connect({ host, port, signal, prefer }) {
      const headers = burstNotice.headersFor(host, port);
      const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      return withSession(
        (session, edgeId) => openFlow({ session, edgeId, authority, headers, signal }),
        signal,
        prefer,
      );
    },
    withSession,
    setBurst(burst) {
      burstNotice.set(burst);
      pathTimes.measureEvery(burst?.everyMs);
    },
    status: () => ({
      state: current() ? 'up' : links.size === 0 ? 'off' : 'connecting',
      edgeId: current()?.edge.id ?? null,
      lastEdgeId: lastEdgeId(),
      reason,
      edges: [...links.values()].map(({ edge, control }) => ({
        id: edge.id,
        location: edge.location,
        isUp: control.isUp(),
        rttMs: control.rttMs(),
        problem: control.isUp() ? '' : control.problem(),
      })),
      degradations: degradations.reasons(),
    }),
    takeSample() {
      const link = current();
      // Whose outage it is is known by the edge that devices were on.
      const edgeId = lastEdgeId();
      const pools = [...leaving, ...[...links.values()].map(({ pool }) => pool)];
      const bytes = pools.map((pool) => pool.takeBytes());
      const counts = pools.map((pool) => pool.counts());
      for (const pool of leaving) if (pool.counts().sessionCount === 0) leaving.delete(pool);
      const pings = [...links.values()].map(({ edge, control }) => ({
        isCurrent: edge.id === edgeId,
        ...control.takeCounts(),
      }));
      const gain = gainOf([...links.values()].map(candidateOf), choice.edgeId);
      const own = pings.find(({ isCurrent }) => isCurrent);
      return {
        edgeId,
        state: link
          ? 'up'
          : links.size === 0
            ? 'off'
            : firstUpMs === undefined
              ? 'connecting'
              : 'down',
        ...pathTimes.take(),
        sessionCount:
          sum(counts, 'sessionCount') + [...links.values()].filter((l) => l.control.isUp()).length,
        streamCount: sum(counts, 'streamCount'),
        upBytes: sum(bytes, 'up'),
        downBytes: sum(bytes, 'down'),
        reconnectCount: sum(pings, 'reconnectCount'),
        pingLostCount: own?.pingLostCount ?? 0,
        pingSentCount: own?.pingSentCount ?? 0,
        betterEdgeId: gain?.edgeId ?? null,
        gainMs: gain?.gainMs ?? null,
        resetsLeft: link?.pool.resetsLeft() ?? null,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopping.abort();
      for (const timer of timers) clearInterval(timer);
      pathTimes.stop();
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
