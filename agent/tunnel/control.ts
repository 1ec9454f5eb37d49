import type { EdgeEntry } from '#contract/policy.ts';
import { backoffMs, sleep } from '#runtime/backoff.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { createRecentTimes, type RecentTimes, rememberedMs } from './recent-times.ts';
import { isUsable, type OpenSession, openSession, ping } from './session.ts';

/**
 * The control session to one edge: it carries PINGs and nothing else, so its round trip is the
 * network's and never the queue's of a download. It is kept up for every edge of the catalogue;
 * that is also what makes a switch quick.
 */
export type Control = {
  isUp(): boolean;
  /** Smallest round trip of the last 10 s: what edges are compared by. */
  rttMs(): number | null;
  roundTrips: Pick<RecentTimes, 'lowestMs' | 'takeMedianMs'>;
  handshakeMs(): number | null;
  /** True until the first attempt has ended one way or the other. */
  isNew(): boolean;
  problem(): string;
  /** Counted since the last call. */
  takeCounts(): { pingSentCount: number; pingLostCount: number; reconnectCount: number };
  stop(): void;
};

const missedPings = 3;

export const startControl = (parts: {
  edge: EdgeEntry;
  identity: () => Identity;
  pingIntervalMs: number;
  onUp: () => void;
  /** Silent: nobody ended the session, its pings went unanswered. */
  onDown: (reason: string, isSilent: boolean) => void;
  /** After each attempt that did not reach the edge. */
  onFailed: () => void;
  log: Log;
}): Control => {
  const stopping = new AbortController();
  const roundTrips = createRecentTimes();
  let session: OpenSession | undefined;
  let isUp = false;
  let isNew = true;
  let problem = '';
  let isSilent = false;
  let counts = noCounts();

  const keepUp = async () => {
    for (let attempt = 1; !stopping.signal.aborted; attempt += 1) {
      try {
        session = await openSession(parts.edge, parts.identity());
        // A stop during the handshake found no session to end.
        if (stopping.signal.aborted) session.h2.destroy();
        ({ reason: problem, isSilent } = await useSession(session));
        attempt = 0;
      } catch (error) {
        problem = (error as Error).message;
        parts.log.debug({ edgeId: parts.edge.id, reason: problem }, 'edge not reached');
      }
      isNew = false;
      session = undefined;
      roundTrips.clear();
      if (isUp && !stopping.signal.aborted) {
        isUp = false;
        counts.reconnectCount += 1;
        parts.onDown(problem, isSilent);
      }
      if (!stopping.signal.aborted) parts.onFailed();
      await sleep(backoffMs(attempt + 1, { firstMs: 200, capMs: 30_000 }), stopping.signal);
    }
  };

  /** Until the session ends; gives the reason. */
  const useSession = ({ h2 }: OpenSession): Promise<{ reason: string; isSilent: boolean }> =>
    new Promise((resolve) => {
      let outstanding = false;
      let missed = 0;
      const end = (reason: string, isSilent = false) => {
        clearInterval(timer);
        resolve({ reason, isSilent });
        h2.destroy();
      };
      const measure = async () => {
        outstanding = true;
        counts.pingSentCount += 1;
        const ms = await ping(h2);
        outstanding = false;
        missed = 0;
        if (ms === null || !isUsable(h2)) return;
        roundTrips.add(ms);
        if (isUp) return;
        isUp = true;
        isNew = false;
        parts.onUp();
      };
      // Ticks are counted rather than time: after a stall of this very process one tick is late,
      // and the answer that was waiting all along is read before the next.
      const tick = () => {
        if (!outstanding) return void measure();
        missed += 1;
        counts.pingSentCount += 1;
        counts.pingLostCount += 1;
        if (missed >= missedPings) end(`no answer to ${missedPings} pings`, true);
      };
      const timer = setInterval(tick, parts.pingIntervalMs);
      h2.once('goaway', () => end('the edge is stopping'));
      h2.once('close', () => end('session closed'));
      tick();
    });

  void keepUp();

  return {
    isUp: () => isUp,
    rttMs: () => roundTrips.lowestMs(rememberedMs),
    roundTrips,
    handshakeMs: () => session?.handshakeMs ?? null,
    isNew: () => isNew,
    problem: () => problem,
    takeCounts() {
      const taken = counts;
      counts = noCounts();
      return taken;
    },
    stop() {
      stopping.abort();
      session?.h2.destroy();
    },
  };
};

const noCounts = () => ({ pingSentCount: 0, pingLostCount: 0, reconnectCount: 0 });
