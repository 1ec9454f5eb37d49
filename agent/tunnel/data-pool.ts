import type { ClientHttp2Stream } from 'node:http2';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { isUsable, type OpenSession, openSession, ping } from './session.ts';

/** The sessions that carry flows to one edge: one, and up to four when bulk flows fill them. */
export type DataPool = {
  /** A session for a new flow; opens one when there is none. */
  lease(): Promise<DataSession>;
  /** Opens the first session ahead of need. */
  warm(): void;
  counts(): { sessionCount: number; streamCount: number };
  /** Bytes on the wire since the last call. */
  takeBytes(): { up: number; down: number };
  /** Round trip on the session the next flow would take, and so behind what queues there. */
  measureRtt(): Promise<number | null>;
  /**
   * The edge has gone silent. Flows it has not answered are asked for elsewhere; sessions get the
   * time of a dead one to show that they live, or they end and their flows with them.
   */
  doubt(): void;
  /** Ends sessions once their flows have ended (`drain`) or now. */
  stop(drain: boolean): void;
};

export type DataSession = OpenSession & {
  streams: Set<ClientHttp2Stream>;
  /** How to give up those of them that wait for the edge's answer. */
  unanswered: Set<() => void>;
  bulkCount: number;
  resets: ResetBudget;
  /** Takes no new flows any more. */
  retired: boolean;
};

const maxSessions = 4;
/** Edges advertise 1,024 streams a session; beyond this many a new session is better than a queue. */
const fullStreams = 800;

export const createDataPool = (parts: {
  edge: EdgeEntry;
  identity: () => Identity;
  /** A data session may be slow behind its own queue; silent for this long it is dead. */
  deadAfterMs: number;
  log: Log;
}): DataPool => {
  const sessions = new Set<DataSession>();
  let opening: Promise<DataSession> | undefined;
  let counted = { up: 0, down: 0 };
  let gone = { up: 0, down: 0 };
  let pinging = false;
  let stopped = false;

  const open = (): Promise<DataSession> => {
    opening ??= openData().finally(() => {
      opening = undefined;
    });
    return opening;
  };
  const openData = async (): Promise<DataSession> => {
    const opened = await openSession(parts.edge, parts.identity());
    const session: DataSession = {
      ...opened,
      streams: new Set(),
      unanswered: new Set(),
      bulkCount: 0,
      resets: createResetBudget(),
      retired: false,
    };
    if (stopped) session.h2.destroy();
    sessions.add(session);
    session.h2.once('goaway', () => retire(session));
    session.h2.once('close', () => {
      const { up, down } = session.bytes();
      gone = { up: gone.up + up, down: gone.down + down };
      sessions.delete(session);
    });
    return session;
  };
  const retire = (session: DataSession) => {
    session.retired = true;
    // Node waits for the streams before it ends the session.
    if (isUsable(session.h2)) session.h2.close();
  };
  const usable = () =>
    [...sessions]
      .filter((session) => !session.retired && isUsable(session.h2))
      .sort((a, b) => a.bulkCount - b.bulkCount || a.streams.size - b.streams.size);

  return {
    async lease() {
      for (const session of usable()) if (session.resets.isLow()) retire(session);
      const [best, ...others] = usable();
      if (!best) return open();
      const isFull = best.bulkCount > 0 || best.streams.size >= fullStreams;
      if (isFull && others.length + 1 < maxSessions) {
        // A small flow behind a download waits for the download's queue; behind none it does not.
        if (best.streams.size >= fullStreams) return open();
        open().catch(() => {});
      }
      return best;
    },
    warm: () => {
      if (usable().length === 0) open().catch(() => {});
    },
    counts: () => ({
      sessionCount: sessions.size,
      streamCount: [...sessions].reduce((sum, { streams }) => sum + streams.size, 0),
    }),
    takeBytes() {
      const total = { ...gone };
      for (const session of sessions) {
        const { up, down } = session.bytes();
        total.up += up;
        total.down += down;
      }
      const since = { up: total.up - counted.up, down: total.down - counted.down };
      counted = total;
      return since;
    },
    async measureRtt() {
      const session = usable()[0];
      if (!session || pinging) return null;
      pinging = true;
      const ms = await pingOrEnd(session, parts.deadAfterMs);
      pinging = false;
      return ms;
    },
    doubt() {
      for (const session of sessions) {
        for (const giveUp of [...session.unanswered]) giveUp();
        void pingOrEnd(session, parts.deadAfterMs);
      }
    },
    stop(drain) {
      stopped = true;
      for (const session of [...sessions]) {
        if (drain) retire(session);
        else session.h2.destroy();
      }
    },
  };
};

const pingOrEnd = async ({ h2 }: DataSession, withinMs: number): Promise<number | null> => {
  const timer = setTimeout(() => h2.destroy(), withinMs);
  const ms = await ping(h2);
  clearTimeout(timer);
  return ms;
};

type ResetBudget = { spend(): void; isLow(): boolean };

/**
 * nghttp2 ends a session that gets more than 1,000 RST_STREAMs, then 33 a second, and all its
 * flows with it (Node 20 cannot change the numbers). Sessions are given up before that.
 */
const createResetBudget = (): ResetBudget => {
  const burst = 1_000;
  const perMs = 33 / 1_000;
  let left = burst;
  let filledAtMs = performance.now();
  const fill = () => {
    left = Math.min(burst, left + (performance.now() - filledAtMs) * perMs);
    filledAtMs = performance.now();
  };
  return {
    spend() {
      fill();
      left -= 1;
    },
    isLow() {
      fill();
      return left < burst / 5;
    },
  };
};
