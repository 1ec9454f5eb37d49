import type { BurstNotice, EdgeBurst } from '#contract/burst.ts';
import type { OnwardTarget } from '#contract/policy.ts';
import type { OnwardSample } from '#contract/telemetry.ts';
import type { Log } from '#runtime/log.ts';
import type { Destination } from '../access.ts';
import type { OnwardWish } from '../onward-probes.ts';

/** A device found something odd there, and measures every second. */
export type BurstAsked = BurstNotice & { deviceId: string; destination: Destination };

/** Three handshakes a second; a trace takes its time and goes beside them. */
const connectsOnly: OnwardWish = { connectCount: 3, trace: false };
const traced: OnwardWish = { connectCount: 1, trace: true };
/** Routers answer about one expired packet a second. */
const traceEverySeconds = 5;
const dayMs = 86_400_000;
/** Of the edge's day one device may have so much, though never less than one burst: nine are left. */
const shareOfDevice = 0.1;

export type OnwardBursts = {
  take(asked: BurstAsked): void;
  stop(): void;
};

/**
 * Leg 2 at the time of a suspicion: the application onward, every second, for as long as the device
 * that asks. One of an application, however many devices ask, then a rest of the same length; some
 * applications at once; and so many seconds a day, of which one device has its share.
 */
export const createOnwardBursts = (parts: {
  /** Undefined: none is to be made. */
  policy: () => EdgeBurst | undefined;
  targets: () => readonly OnwardTarget[];
  measure: (target: OnwardTarget, signal: AbortSignal, wish: OnwardWish) => Promise<OnwardSample>;
  emit: (sample: OnwardSample) => void;
  now: () => number;
  monotonicMs: () => number;
  log: Log;
}): OnwardBursts => {
  const log = parts.log.child({ component: 'burst' });
  const underWay = new Map<string, AbortController>();
  const restUntilMs = new Map<string, number>();
  const spent = createDaysAccount(parts.now);

  const begin = (target: OnwardTarget, burstId: string, seconds: number, everySeconds: number) => {
    const { appId } = target;
    const abort = new AbortController();
    const busy = new Set<OnwardWish>();
    underWay.set(appId, abort);
    log.info({ appId, burstId, seconds }, 'a device suspects something: measuring onward');

    const measure = async (wish: OnwardWish): Promise<void> => {
      if (busy.has(wish)) return;
      busy.add(wish);
      try {
        const sample = await parts.measure(target, abort.signal, wish);
        if (!abort.signal.aborted) parts.emit({ ...sample, burstId });
      } catch (error) {
        log.error({ appId, err: error }, 'run failed');
      } finally {
        busy.delete(wish);
      }
    };
    const traceTicks = Math.max(1, Math.round(traceEverySeconds / everySeconds));
    let tick = 0;
    const act = () => {
      void measure(connectsOnly);
      if (tick % traceTicks === 0) void measure(traced);
      tick += 1;
    };
    act();
    const timer = setInterval(act, everySeconds * 1_000);
    // What is under way at its end is still told.
    const endTimer = setTimeout(() => {
      clearInterval(timer);
      underWay.delete(appId);
      restUntilMs.set(appId, parts.monotonicMs() + seconds * 1_000);
    }, seconds * 1_000);
    abort.signal.addEventListener('abort', () => {
      clearInterval(timer);
      clearTimeout(endTimer);
    });
  };

  return {
    take({ deviceId, destination, burstId, forSeconds }) {
      const policy = parts.policy();
      if (policy === undefined) return;
      const target = parts
        .targets()
        .find(({ host, port }) => host === destination.host && port === destination.port);
      if (target === undefined || underWay.has(target.appId)) return;
      if (underWay.size >= policy.applicationsAtOnce) return;
      if (parts.monotonicMs() < (restUntilMs.get(target.appId) ?? 0)) return;
      const seconds = Math.min(forSeconds, policy.seconds, spent.left(deviceId, policy));
      if (seconds < 1) return;
      spent.charge(deviceId, seconds);
      begin(target, burstId, seconds, policy.everySeconds);
    },
    stop() {
      for (const abort of underWay.values()) abort.abort();
      underWay.clear();
    },
  };
};

/** What a day has cost so far, in all and by who asked. A burst is charged when it begins. */
const createDaysAccount = (now: () => number) => {
  let day = 0;
  let seconds = 0;
  const byDevice = new Map<string, number>();

  const turnTheDay = (): void => {
    const today = Math.floor(now() / dayMs);
    // A clock that was set back by a day starts no new one; one put right after years does.
    if (day === today || day === today + 1) return;
    day = today;
    seconds = 0;
    byDevice.clear();
  };
  return {
    left(deviceId: string, limits: Pick<EdgeBurst, 'seconds' | 'secondsPerDay'>): number {
      turnTheDay();
      const share = Math.max(limits.seconds, shareOfDevice * limits.secondsPerDay);
      return Math.min(limits.secondsPerDay - seconds, share - (byDevice.get(deviceId) ?? 0));
    },
    charge(deviceId: string, more: number): void {
      seconds += more;
      byDevice.set(deviceId, (byDevice.get(deviceId) ?? 0) + more);
    },
  };
};
