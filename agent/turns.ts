import { randomUUID } from 'node:crypto';
import type { ProbeDefinition } from '#contract/plan.ts';

/** What is run one after the other without a pause: a probe alone, or a pair. */
export type TakenTurn = {
  probes: readonly [ProbeDefinition, ...ProbeDefinition[]];
  /** The same on both results of a pair; undefined: a probe alone. */
  pairId: string | undefined;
};

/**
 * The probes of a moment as turns. The two of a pair go back to back, so that they meet the same
 * network, and in random order, so that neither always finds what the other has warmed up (a
 * resolver's cache, the server's). One whose other half is still under way goes alone.
 */
export const takeTurns = (due: readonly ProbeDefinition[], random = Math.random): TakenTurn[] => {
  const turns: TakenTurn[] = [];
  const taken = new Set<ProbeDefinition>();
  for (const probe of due) {
    if (taken.has(probe)) continue;
    const other = due.find((each) => isOtherHalf(probe, each));
    taken.add(probe);
    if (other === undefined) {
      turns.push({ probes: [probe], pairId: undefined });
      continue;
    }
    taken.add(other);
    const probes: TakenTurn['probes'] = random() < 0.5 ? [probe, other] : [other, probe];
    turns.push({ probes, pairId: randomUUID() });
  }
  return turns;
};

const isOtherHalf = (one: ProbeDefinition, each: ProbeDefinition): boolean =>
  one.pair !== undefined &&
  each.pair === one.pair &&
  each.via !== one.via &&
  each.type === one.type;
