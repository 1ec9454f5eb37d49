import type { Verdict } from '#contract/verdict.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Pair } from './scenario.ts';
import { pairKey } from './watch.ts';

/** A verdict older than this says nothing about now. */
const freshMs = 12_000;
/** So long nothing may be said but `ok`: the runs a fault spoilt are judged by then. */
const steadyMs = 3_000;
const lookEveryMs = 500;

/** The network did not become calm; the message names what was still said. */
export class NotCalm extends Error {
  override name = 'NotCalm';
  readonly restless: readonly Pair[];
  constructor(message: string, restless: readonly Pair[]) {
    super(message);
    this.restless = restless;
  }
}

/**
 * Waits until each pair has had fresh `ok` verdicts from its own past, through its usual edge, for
 * some seconds. Gives the verdicts.
 */
export const waitForCalm = async (options: {
  read: () => Promise<Map<string, Verdict>>;
  pairs: readonly Pair[];
  /** Verdicts must speak of times after this. */
  since: number;
  homeEdge: string;
  /** Called once when a device is fine on another edge. */
  bringHome: () => Promise<void>;
  timeoutMs: number;
  now?: () => number;
}): Promise<Map<string, Verdict>> => {
  const now = options.now ?? Date.now;
  const deadline = performance.now() + options.timeoutMs;
  let calmSince: number | undefined;
  let isAsked = false;
  for (;;) {
    const verdicts = await options.read();
    const isAway = [...verdicts.values()].some(
      ({ edgeId, at }) => at >= options.since && edgeId !== null && edgeId !== options.homeEdge,
    );
    if (isAway && !isAsked) {
      isAsked = true;
      await options.bringHome();
    }
    const restless = options.pairs.flatMap((pair) => {
      const why = whyRestless(verdicts.get(pairKey(pair)), options, now());
      return why === undefined ? [] : [{ ...pair, why }];
    });
    if (restless.length > 0) calmSince = undefined;
    else calmSince ??= performance.now();
    if (calmSince !== undefined && performance.now() - calmSince >= steadyMs) return verdicts;
    // Calm that has only begun may go on: who is restless past the deadline ends it.
    if (restless.length > 0 && performance.now() > deadline) {
      const said = restless.map((each) => `${pairKey(each)}: ${each.why}`).join('; ');
      throw new NotCalm(`not calm after ${options.timeoutMs / 1_000} s: ${said}`, restless);
    }
    await sleep(lookEveryMs);
  }
};

const whyRestless = (
  verdict: Verdict | undefined,
  { since, homeEdge }: { since: number; homeEdge: string },
  now: number,
): string | undefined => {
  if (verdict === undefined) return 'no verdict yet';
  if (verdict.at < Math.max(since, now - freshMs)) {
    return `its last verdict is ${Math.round((now - verdict.at) / 1_000)} s old`;
  }
  if (verdict.state !== 'ok') return `${verdict.state}: ${verdict.sentence}`;
  if (verdict.baselineFrom !== 'own-past') return 'it has no past of its own yet';
  if (verdict.edgeId !== homeEdge) return `it is on ${verdict.edgeId ?? 'no edge'}`;
  return undefined;
};
