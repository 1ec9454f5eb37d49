import type { Result } from '#contract/result.ts';
import { isAbove, learn, type Normal, unknownNormal } from './normal.ts';

export type Oddness = 'slow' | 'failing';
/** `nothing`: it is no evidence, or what is usual is not known yet. */
export type Look = Oddness | 'usual' | 'nothing';

/** What is odd, about which application, by which probe. */
export type Suspicion = { appId: string; probeId: string; oddness: Oddness };

export type SuspicionDetector = {
  /** Takes a result and says how it looks beside what is usual for its probe. */
  look(result: Result): Look;
  /** The look as a suspicion, unless it is looked into already; nothing is noted by asking. */
  suspicionOf(result: Result, look: Look, nowMs: number): Suspicion | undefined;
  /** It is looked into: the same is none again before it has been as usual, or for long enough. */
  take(suspicion: Suspicion, nowMs: number): void;
  /** It could not be looked into after all. */
  release(suspicion: Suspicion): void;
  /** Forgets probes that are not in the plan. */
  keep(probeIds: ReadonlySet<string>): void;
};

/** As usual so many times in a row, and what was suspected is over. */
const usualToClear = 2;
/** What lasts is worth another look now and then. */
const lookAgainMs = 15 * 60_000;

type Taken = Suspicion & { atMs: number; usualInARow: number };

/**
 * Finds the first odd result of a probe: clearly slower than usual, or a failure after successes. Each
 * probe of a way has its own normal; what is looked into is the application, both ways.
 */
export const createSuspicion = (): SuspicionDetector => {
  const normals = new Map<string, Normal>();
  const taken = new Map<string, Taken>();

  const judge = (result: Result): Look => {
    if (!isEvidence(result)) return 'nothing';
    const normal = normals.get(result.probeId) ?? unknownNormal();
    if (result.failure !== null) return normal.count === 0 ? 'nothing' : 'failing';
    const ms = result.durationMs;
    const above = isAbove(normal, ms);
    // Of a burst there are many, all of one moment: they would be all that is usual.
    if (result.burstId === undefined) normals.set(result.probeId, learn(normal, ms));
    return above === undefined ? 'nothing' : above ? 'slow' : 'usual';
  };

  const noteUsual = (result: Result, look: Look) => {
    const one = taken.get(result.appId);
    if (one === undefined || one.probeId !== result.probeId || look === 'nothing') return;
    one.usualInARow = look === 'usual' ? one.usualInARow + 1 : 0;
    if (one.usualInARow >= usualToClear) taken.delete(result.appId);
  };

  return {
    look(result) {
      const look = judge(result);
      noteUsual(result, look);
      return look;
    },
    suspicionOf({ appId, probeId, burstId }, look, nowMs) {
      if (look === 'usual' || look === 'nothing' || burstId !== undefined) return undefined;
      const before = taken.get(appId);
      const isKnown =
        before !== undefined &&
        nowMs - before.atMs < lookAgainMs &&
        // What was slow and now fails is news.
        !(look === 'failing' && before.oddness === 'slow');
      return isKnown ? undefined : { appId, probeId, oddness: look };
    },
    take: (suspicion, nowMs) =>
      void taken.set(suspicion.appId, { ...suspicion, atMs: nowMs, usualInARow: 0 }),
    release: ({ appId }) => void taken.delete(appId),
    keep(probeIds) {
      for (const probeId of normals.keys()) if (!probeIds.has(probeId)) normals.delete(probeId);
      for (const [appId, { probeId }] of taken) if (!probeIds.has(probeId)) taken.delete(appId);
    },
  };
};

/** Requests' runs are whatever somebody wanted to see; failures of nobody's say nothing. */
const isEvidence = (result: Result): boolean =>
  result.type === 'http' &&
  result.requestId === undefined &&
  result.distortion === 'none' &&
  !(result.failure !== null && saysNothing(result.failure));

const saysNothing = ({ type, source }: { type: string; source: string }): boolean =>
  source === 'none' ||
  type.startsWith('agent.') ||
  type.startsWith('policy.') ||
  type.startsWith('probe.') ||
  ownTypes.has(type);

const ownTypes = new Set<string>([
  'abandoned',
  // Who is asked for less is not asked every second.
  'edge.overloaded',
  'http.rate_limited',
  'browser.crashed',
  'path.network_changed',
  'tunnel.bypassed',
]);
