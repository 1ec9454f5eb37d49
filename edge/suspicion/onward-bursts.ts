import type { BurstNotice, EdgeBurst } from '#contract/burst.ts';
import type { OnwardTarget } from '#contract/policy.ts';
import type { OnwardSample } from '#contract/telemetry.ts';
import type { Log } from '#runtime/log.ts';
import type { Destination } from '../access.ts';
import type { OnwardWish } from '../onward-probes.ts';

/** A device found something odd there, and measures every second. */
export type BurstAsked = BurstNotice & { destination: Destination };

/** Three handshakes a second; a trace takes its time and goes beside them. */
const connectsOnly: OnwardWish = { connectCount: 3, trace: false };
const traced: OnwardWish = { connectCount: 1, trace: true };
/** Routers answer about one expired packet a second. */
const traceEverySeconds = 5;
const dayMs = 86_400_000;

export type OnwardBursts = {
  take(asked: BurstAsked): void;
  stop(): void;
};

/**
 * Leg 2 at the time of a suspicion: the application onward, every second, for as long as the device
 * that asks. One of an application, however many devices ask, then a rest of the same length; some
 * applications at once; and so many seconds a day, whoever asks.
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
  let spent = { day: 0, seconds: 0 };

  const secondsLeft = ({ secondsPerDay }: EdgeBurst): number => {
    const today = Math.floor(parts.now() / dayMs);
    const day = spent.day === today + 1 ? spent.day : today;
    if (day !== spent.day) spent = { day, seconds: 0 };
    return secondsPerDay - spent.seconds;
  };

  const begin = (target: OnwardTarget, burstId: string, seconds: number, everySeconds: number) => {
    const { appId } = target;
    const abort = new AbortController();
    const busy = new Set<OnwardWish>();
    underWay.set(appId, abort);
    spent = { ...spent, seconds: spent.seconds + seconds };
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
    take({ destination, burstId, forSeconds }) {
      const policy = parts.policy();
      if (policy === undefined) return;
      const target = parts
        .targets()
        .find(({ host, port }) => host === destination.host && port === destination.port);
      if (target === undefined || underWay.has(target.appId)) return;
      if (underWay.size >= policy.applicationsAtOnce) return;
      if (parts.monotonicMs() < (restUntilMs.get(target.appId) ?? 0)) return;
      const seconds = Math.min(forSeconds, policy.seconds, secondsLeft(policy));
      if (seconds >= 1) begin(target, burstId, seconds, policy.everySeconds);
    },
    stop() {
      for (const abort of underWay.values()) abort.abort();
      underWay.clear();
    },
  };
};
