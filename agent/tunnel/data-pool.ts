import type { ClientHttp2Stream } from 'node:http2';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import type { UnsentLimit } from '#runtime/kernel/unsent-limit.ts';
import type { Log } from '#runtime/log.ts';
import { createResetBudget, type ResetBudget } from './reset-budget.ts';
import { endSession, isUsable, type OpenSession, openSession, ping } from './session.ts';
import { startWindowBytes, windowFor } from './stream-window.ts';

/** The sessions that carry flows to one edge: one, and up to four when bulk flows fill them. */
export type DataPool = {
  /** A session for a new flow; opens one when there is none. */
  lease(): Promise<DataSession>;
  /** Opens the first session ahead of need. */
  warm(): void;
  counts(): { sessionCount: number; streamCount: number };
  /** Of the session that has been reset most; null without one. */
  resetsLeft(): number | null;
  /** True while a flow waits for its answer or bytes have moved since the last call. */
  isBusy(): boolean;
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
  /** A flow has turned out to be a bulk one; called when it has been counted. */
  onBulk(): void;
  resets: ResetBudget;
  /** Takes no new flows any more. */
  retired: boolean;
  windowBytes: number;
  /** At the last look at its window. */
  seenDownBytes: number;
};

const maxSessions = 4;
/** Beyond this many a new session is opened, while there may be more of them. */
const fullStreams = 800;
/** More than the pings of a second are. */
const pingBytes = 1_000;

export const createDataPool = (parts: {
  edge: EdgeEntry;
  identity: () => Identity;
  unsentLimit: UnsentLimit;
  /** Of the path without queues; null: not known. */
  rttMs: () => number | null;
  /** A data session may be slow behind its own queue; silent for this long it is dead. */
  deadAfterMs: number;
  log: Log;
}): DataPool => {
  const sessions = new Set<DataSession>();
  let opening: Promise<DataSession> | undefined;
  let counted = { up: 0, down: 0 };
  let gone = { up: 0, down: 0 };
  let pinging = false;
  let busyBytes = 0;
  let seenAtMs = performance.now();
  let stopped = false;

  const open = (): Promise<DataSession> => {
    opening ??= openData().finally(() => {
      opening = undefined;
    });
    return opening;
  };
  const openData = async (): Promise<DataSession> => {
    const opened = await openSession(parts.edge, parts.identity(), parts);
    const session: DataSession = {
      ...opened,
      streams: new Set(),
      unanswered: new Set(),
      bulkCount: 0,
      onBulk: makeRoom,
      resets: createResetBudget(),
      retired: false,
      windowBytes: startWindowBytes,
      seenDownBytes: 0,
    };
    if (stopped) endSession(session.h2);
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
  /** A small flow behind a download waits for the download's queue; beside it, it does not. */
  const makeRoom = () => {
    const others = usable();
    if (stopped || others.length >= maxSessions || others.some((each) => each.bulkCount === 0))
      return;
    open().catch(() => {});
  };
  const fitWindows = () => {
    const seconds = (performance.now() - seenAtMs) / 1_000;
    const rttMs = parts.rttMs();
    seenAtMs = performance.now();
    for (const session of sessions) {
      const { down } = session.bytes();
      const bytesPerSecond = (down - session.seenDownBytes) / seconds;
      session.seenDownBytes = down;
      // One change at a time: those not yet acknowledged are limited, on pain of the session.
      if (rttMs === null || !isUsable(session.h2) || session.h2.pendingSettingsAck) continue;
      const bytes = windowFor({
        currentBytes: session.windowBytes,
        bytesPerSecond: session.bulkCount === 0 ? 0 : bytesPerSecond,
        rttMs,
        streamCount: session.streams.size,
      });
      if (bytes === session.windowBytes) continue;
      session.windowBytes = bytes;
      session.h2.settings({ initialWindowSize: bytes });
    }
  };
  const fitting = setInterval(fitWindows, 1_000);
  fitting.unref();
  const totalBytes = () => {
    const total = { ...gone };
    for (const session of sessions) {
      const { up, down } = session.bytes();
      total.up += up;
      total.down += down;
    }
    return total;
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
      if (best.streams.size >= fullStreams && others.length + 1 < maxSessions) return open();
      if (best.bulkCount > 0) makeRoom();
      return best;
    },
    warm: () => {
      if (usable().length === 0) open().catch(() => {});
    },
    counts: () => ({
      sessionCount: sessions.size,
      streamCount: [...sessions].reduce((sum, { streams }) => sum + streams.size, 0),
    }),
    resetsLeft: () =>
      sessions.size === 0 ? null : Math.min(...[...sessions].map(({ resets }) => resets.left())),
    isBusy() {
      const { up, down } = totalBytes();
      const isMoving = up + down - busyBytes > pingBytes;
      busyBytes = up + down;
      return isMoving || [...sessions].some(({ unanswered }) => unanswered.size > 0);
    },
    takeBytes() {
      const total = totalBytes();
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
      clearInterval(fitting);
      for (const session of [...sessions]) {
        if (drain) retire(session);
        else endSession(session.h2);
      }
    },
  };
};

const pingOrEnd = async ({ h2 }: DataSession, withinMs: number): Promise<number | null> => {
  const timer = setTimeout(() => endSession(h2), withinMs);
  const ms = await ping(h2);
  clearTimeout(timer);
  return ms;
};
