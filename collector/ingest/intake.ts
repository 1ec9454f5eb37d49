import type { IdentityCheck } from '../control/identity.ts';
import { Problem } from '../http/problems.ts';
import { createPlaces } from './places.ts';
import { createTurns } from './turns.ts';

/**
 * What stands before a route that takes bodies: who sends is known and has a place before a byte is
 * read (`onRequest`), and the work on bodies goes by turns (`inTurn`). Beyond the limits: `overloaded`.
 */
export const createIntake = (parts: {
  identities: Pick<IdentityCheck, 'of' | 'require'>;
  /** Bodies worked on at once, and how many more may wait. */
  limits: { atOnce: number; waiting: number };
  retryAfterSeconds: number;
}) => {
  const { identities, limits, retryAfterSeconds } = parts;
  const inAll = limits.atOnce + limits.waiting;
  const takePlace = createPlaces({ identities, inAll, retryAfterSeconds });
  const takeTurn = createTurns(limits);
  return {
    onRequest: [identities.require, takePlace],
    /** Whoever hangs up gives its place back at once, its work not: so turns are bounded too. */
    inTurn: async <T>(work: () => Promise<T>): Promise<T> => {
      const outcome = await takeTurn(work);
      if (outcome === 'full') throw new Problem('overloaded', { retryAfterSeconds });
      return outcome;
    },
  };
};
