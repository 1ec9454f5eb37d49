import type { Segment } from '#contract/verdict.ts';
import type { SplitRun } from './ledger.ts';

/** What is usual of a run besides its times: what these are looked at by. */
export type Usual = {
  /** Slow-start rounds of its answer, and the longest the agent did not get to run. */
  rounds: number;
  longestStallMs: number;
};

/**
 * A split rests on one run alone. Beside what is usual two things belong elsewhere: rounds that only
 * a grown answer needs are its transfer, not the way's; and one stall of the agent lies in whichever
 * phase it fell into, and is the device's.
 */
export const reassign = (
  run: SplitRun,
  usual: Usual,
  usualMs: Record<Segment, number | null>,
): SplitRun => withStall(withGrownAnswer(run, usual.rounds), usual.longestStallMs, usualMs);

const withGrownAnswer = (run: SplitRun, usualRounds: number): SplitRun => {
  if (run.rounds <= usualRounds) return run;
  const from = run.via === 'tunnel' ? 'edge-origin' : 'client-edge';
  const movedMs = run.roundsMs * (1 - usualRounds / run.rounds);
  const note = `, and ${Math.round(run.rounds - usualRounds)} rounds more than usual, as the answer has grown`;
  return moved(run, from, 'transfer', movedMs, note);
};

/** A stall this little longer than usual is within what garbage collection does. */
const harmlessStallMs = 10;
/** Where one run's stall can hide: phases of which nothing else was measured. */
const hidingPlaces = ['tls', 'server', 'transfer'] as const satisfies readonly Segment[];

const withStall = (
  run: SplitRun,
  usualStallMs: number,
  usualMs: Record<Segment, number | null>,
): SplitRun => {
  const longestMs = run.run.fields.loop_delay_longest_ms ?? 0;
  const countedMs = Math.max(0, (run.parts.device ?? 0) - (usualMs.device ?? 0));
  const stallMs = longestMs - usualStallMs - countedMs;
  if (longestMs - usualStallMs <= harmlessStallMs || stallMs <= 0) return run;
  const added = (segment: Segment) => (run.parts[segment] ?? 0) - (usualMs[segment] ?? 0);
  const most = [...hidingPlaces].sort((a, b) => added(b) - added(a))[0] ?? 'server';
  const movedMs = Math.min(stallMs, added(most));
  const note = `, and one stall of ${movedMs.toFixed(1)} ms of the agent`;
  return movedMs > 0 ? moved(run, most, 'device', movedMs, note) : run;
};

const moved = (
  run: SplitRun,
  from: Segment,
  to: Segment,
  wantedMs: number,
  note: string,
): SplitRun => {
  const fromMs = run.parts[from];
  const toMs = run.parts[to];
  if (fromMs === null || toMs === null) return run;
  const ms = Math.min(fromMs, wantedMs);
  return {
    ...run,
    parts: { ...run.parts, [from]: fromMs - ms, [to]: toMs + ms },
    how: () => {
      const how = run.how();
      return { ...how, [to]: `${how[to]}${note}` };
    },
  };
};
