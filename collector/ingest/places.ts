import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IdentityCheck } from '../control/identity.ts';
import { Problem } from '../http/problems.ts';

/** Of one device or edge: it sends one after the other, and may not know yet that a try has ended. */
const mostOfOne = 2;

/**
 * A hook that gives a body its place before a byte of it is read, until it is answered; else a burst
 * of bodies is in memory before anybody can turn it away. Goes behind the identity check.
 */
export const createPlaces = (parts: {
  identities: Pick<IdentityCheck, 'of'>;
  inAll: number;
  retryAfterSeconds: number;
  onChange?: (taken: number) => void;
}) => {
  const { inAll, retryAfterSeconds } = parts;
  const taken = new Map<string, number>();
  let count = 0;

  const change = (who: string, by: 1 | -1) => {
    count += by;
    parts.onChange?.(count);
    const ofOne = (taken.get(who) ?? 0) + by;
    if (ofOne === 0) taken.delete(who);
    else taken.set(who, ofOne);
  };

  return async (request: FastifyRequest, reply: Pick<FastifyReply, 'raw'>): Promise<void> => {
    const { role, id } = parts.identities.of(request);
    const who = `${role} ${id}`;
    if (count >= inAll) throw new Problem('overloaded', { retryAfterSeconds });
    if ((taken.get(who) ?? 0) >= mostOfOne) {
      const detail = `${mostOfOne} bodies of this ${role} are on their way already`;
      throw new Problem('overloaded', { detail, retryAfterSeconds });
    }
    // A pipelined answer that is not yet its connection's does not hear that it was closed.
    const ends = [reply.raw, request.raw.socket];
    const leave = () => {
      for (const end of ends) end.off('close', leave);
      change(who, -1);
    };
    if (request.raw.socket.destroyed) return;
    change(who, 1);
    for (const end of ends) end.once('close', leave);
  };
};
