import type { EdgeEntry } from '#contract/policy.ts';
import { backoffMs, sleep } from '#runtime/backoff.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { createLateAnswers, createPingLosses, type PingLosses } from './ping-losses.ts';
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
  /** Of the last pings; an edge that loses many is left although it is up. */
  losses: Pick<PingLosses, 'count'>;
  /** Monotonic time of the last answer. */
  heardAtMs(): number;
  /** There is traffic from now on: silence is to be noticed sooner. */
  hurry(): void;
  /** Asks at once, to know whether the edge is there. */
  askNow(): void;
  /** RFC 8441: the edge takes connect-udp and connect-ip. */
  takesExtendedConnect(): boolean;
  /** True until the first attempt has ended one way or the other. */
  isNew(): boolean;
  problem(): string;
  /** Counted since the last call. */
  takeCounts(): { pingSentCount: number; pingLostCount: number; reconnectCount: number };
  stop(): void;
};

const missedPings = 3;
/** Of the interval, while bytes move: four of these are what a black hole may cost. */
const hurriedShare = 0.4;

export const startControl = (parts: {
  edge: EdgeEntry;
  identity: () => Identity;
  pingIntervalMs: number;
  /** Monotonic; what round trips are remembered by. */
  now: () => number;
  onUp: () => void;
  /** Silent: nobody ended the session, its pings went unanswered. */
  onDown: (reason: string, isSilent: boolean) => void;
  /** True while bytes of flows move, or a flow waits for its answer. */
  isBusy: () => boolean;
  onMissed: () => void;
  /** True when another edge has answered since. */
  isOtherHeard: (sinceMs: number) => boolean;
  /** After each attempt that did not reach the edge. */
  onFailed: () => void;
  log: Log;
}): Control => {
  const stopping = new AbortController();
  const roundTrips = createRecentTimes(parts.now);
  let session: OpenSession | undefined;
  let isUp = false;
  let isNew = true;
  let problem = '';
  let isSilent = false;
  let counts = noCounts();
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let pinger: { hurry(): void; askNow(): void } | undefined;
  const losses = createPingLosses();
  let late = createLateAnswers();
  const hurriedMs = parts.pingIntervalMs * hurriedShare;

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
      losses.clear();
      late = createLateAnswers();
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
      let askedAtMs: number | undefined;
      let missed = 0;
      let isHurried = false;
      let dueMs = 0;
      let timer: NodeJS.Timeout | undefined;
      const end = (reason: string, isSilent = false) => {
        clearTimeout(timer);
        pinger = undefined;
        resolve({ reason, isSilent });
        h2.destroy();
      };
      const measure = async () => {
        if (askedAtMs !== undefined) return;
        askedAtMs = performance.now();
        counts.pingSentCount += 1;
        const ms = await ping(h2);
        askedAtMs = undefined;
        if (ms === null || !isUsable(h2)) return;
        // One that was missed already is counted as lost already.
        if (missed === 0) {
          losses.add(ms);
          late.add(ms);
        }
        missed = 0;
        heardAtMs = performance.now();
        roundTrips.add(ms);
        if (isUp) return;
        isUp = true;
        isNew = false;
        parts.onUp();
      };
      const arm = () => {
        clearTimeout(timer);
        const ms = isHurried ? hurriedMs : parts.pingIntervalMs;
        dueMs = performance.now() + ms;
        timer = setTimeout(tick, ms);
      };
      const tick = () => {
        const lateMs = performance.now() - dueMs;
        isHurried = parts.isBusy();
        arm();
        if (askedAtMs === undefined) return void measure();
        // This program was held up: the answer may be there and not yet read.
        if (lateMs > hurriedMs) return undefined;
        missed += 1;
        counts.pingSentCount += 1;
        counts.pingLostCount += 1;
        losses.add(null);
        parts.onMissed();
        if (isDead(askedAtMs)) end(`no answer to ${missed} pings`, true);
        return undefined;
      };
      /** Sooner where another edge answers: where none does it is this device's own network. */
      const isDead = (sinceMs: number): boolean =>
        missed >= missedPings &&
        (performance.now() - sinceMs >= missedPings * parts.pingIntervalMs - hurriedMs ||
          parts.isOtherHeard(sinceMs));
      h2.once('goaway', () => end('the edge is stopping'));
      h2.once('close', () => end('session closed'));
      pinger = {
        hurry() {
          if (isHurried) return;
          isHurried = true;
          arm();
        },
        askNow: () => void measure(),
      };
      tick();
    });

  void keepUp();

  return {
    isUp: () => isUp,
    rttMs: () => roundTrips.lowestMs(rememberedMs),
    roundTrips,
    losses,
    heardAtMs: () => heardAtMs,
    hurry: () => pinger?.hurry(),
    askNow: () => pinger?.askNow(),
    takesExtendedConnect: () => session?.h2.remoteSettings.enableConnectProtocol ?? true,
    handshakeMs: () => session?.handshakeMs ?? null,
    isNew: () => isNew,
    problem: () => problem,
    takeCounts() {
      const taken = { ...counts, pingLostCount: counts.pingLostCount + late.takeCount() };
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
