import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { type Burst, ticksOf } from '#contract/run-request.ts';
import { sleep } from '#runtime/backoff.ts';
import { type TakenTurn, takeTurns } from '../turns.ts';
import type { Budget } from './budget.ts';

/** Turns of one order that are under way at once. */
const atOnce = 4;

/** What became of an order's runs: made + lost = probes × ticks. */
export type OrderEnd = { madeCount: number; lostCount: number; reason: string };

type LostAs = 'over-budget' | 'request-ended';
type Why = { lostAs: LostAs; reason: string };

const tooSlow: Why = {
  lostAs: 'request-ended',
  reason: 'some runs took longer than the time between them',
};

export type OrderParts = {
  probes: readonly ProbeDefinition[];
  burst: Burst | undefined;
  budget: Budget;
  /** Makes one turn; undefined for a run that gave nothing, which is accounted for there. */
  make: (turn: TakenTurn) => Promise<readonly (Result | undefined)[]>;
  /** Runs of a probe that are not even begun. */
  onLost: (probe: ProbeDefinition, reason: LostAs, count: number) => void;
  onResult: (result: Result) => void;
  signal: AbortSignal;
};

/**
 * Makes the runs of an order: each probe once, or in a burst at each tick. A probe whose run of the
 * tick before has not ended is left out of the tick, and the rest goes on.
 */
export const makeRuns = async (parts: OrderParts): Promise<OrderEnd> => {
  const { probes, burst, budget, signal } = parts;
  const end: OrderEnd = { madeCount: 0, lostCount: 0, reason: '' };
  const busy = new Set<string>();

  const lose = (lost: readonly ProbeDefinition[], why: Why, times = 1) => {
    for (const probe of lost) parts.onLost(probe, why.lostAs, times);
    end.lostCount += lost.length * times;
    end.reason = why.reason;
  };

  const whyEnd = (): Why | undefined => {
    if (signal.aborted) return { lostAs: 'request-ended', reason: 'stopped before its end' };
    const reason = budget.problem();
    return reason === undefined ? undefined : { lostAs: 'over-budget', reason };
  };

  const makeTurn = async (turn: TakenTurn): Promise<void> => {
    const why = whyEnd();
    if (why !== undefined) return lose(turn.probes, why);
    if (turn.probes.some(({ id }) => busy.has(id))) return lose(turn.probes, tooSlow);
    for (const { id } of turn.probes) busy.add(id);
    const results = (await parts.make(turn)).filter((result) => result !== undefined);
    for (const { id } of turn.probes) busy.delete(id);
    for (const result of results) {
      budget.charge(result);
      end.madeCount += 1;
      parts.onResult(result);
    }
    const cutOff = turn.probes.length - results.length;
    if (cutOff > 0) {
      end.lostCount += cutOff;
      end.reason = 'stopped before its end';
    }
  };

  const startedMs = performance.now();
  const ticks: Promise<void>[] = [];
  const lanes = burst === undefined ? atOnce : probes.length;
  for (let tick = 0; tick < ticksOf(burst); tick += 1) {
    const atMs = startedMs + tick * (burst?.everySeconds ?? 0) * 1_000;
    await sleep(Math.max(0, atMs - performance.now()), signal);
    const why = whyEnd();
    if (why !== undefined) {
      lose(probes, why, ticksOf(burst) - tick);
      break;
    }
    ticks.push(inParallel(takeTurns(probes), lanes, makeTurn));
  }
  await Promise.all(ticks);
  return end;
};

const inParallel = async <T>(
  items: readonly T[],
  laneCount: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const left = [...items];
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: laneCount }, lane));
};
