import type { IdentityCheck } from '../control/identity.ts';
import { Problem } from '../http/problems.ts';
import { createPlaces } from './places.ts';
import { createTurns } from './turns.ts';

/** Told how full an intake is, at each change. */
export type IntakeWatch = {
  places: (taken: number) => void;
  turns: (count: { working: number; waiting: number }) => void;
};

/**
 * What stands before a route that takes bodies: who sends is known and has a place before a byte is
 * read (`onRequest`), and the work on bodies goes by turns (`inTurn`). Beyond the limits: `overloaded`.
 */
export const createIntake = (parts: {
  identities: Pick<IdentityCheck, 'of' | 'require'>;
  /** Bodies worked on at once, by weight, and how many more may wait. */
  limits: { atOnce: number; waiting: number };
  retryAfterSeconds: number;
  watch?: IntakeWatch;
}) => {
  const { identities, limits, retryAfterSeconds } = parts;
  const inAll = limits.atOnce + limits.waiting;
  const takePlace = createPlaces({
    identities,
    inAll,
    retryAfterSeconds,
    ...(parts.watch === undefined ? {} : { onChange: parts.watch.places }),
  });
  const takeTurn = createTurns(limits);
  const turns = { working: 0, waiting: 0 };
  const change = (working: number, waiting: number): void => {
    turns.working += working;
    turns.waiting += waiting;
    parts.watch?.turns(turns);
  };
  return {
    onRequest: [identities.require, takePlace],
    /** Whoever hangs up gives its place back at once, its work not: so turns are bounded too. */
    inTurn: async <T>(work: () => Promise<T>, weight = 1): Promise<T> => {
      let inLine = 1;
      change(0, 1);
      const outcome = await takeTurn(async () => {
        inLine = 0;
        change(1, -1);
        return work().finally(() => change(-1, 0));
      }, weight).finally(() => change(0, -inLine));
      if (outcome === 'full') throw new Problem('overloaded', { retryAfterSeconds });
      return outcome;
    },
  };
};
