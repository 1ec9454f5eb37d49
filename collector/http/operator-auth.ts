import type { FastifyRequest } from 'fastify';
import type { Operator, OperatorRole, Operators } from '../control/operators.ts';
import { Problem } from './problems.ts';

export const sessionCookie = 'whyslow_session';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Lets in people and scripts by `Authorization: Bearer`, and browsers by the session cookie. The
 * cookie opens only what changes nothing, so a foreign page cannot make a browser change anything.
 */
export const createOperatorAuth = (parts: { operators: Operators; now: () => number }) => {
  const known = new WeakMap<FastifyRequest, Operator>();

  const authenticate = async (request: FastifyRequest): Promise<Operator> => {
    const token = bearerOf(request);
    const session = cookieOf(request, sessionCookie);
    if (token !== undefined) {
      const operator = await parts.operators.byToken(token);
      if (operator) return operator;
    } else if (session !== undefined) {
      const operator = await parts.operators.bySession(session, parts.now());
      if (operator && !safeMethods.has(request.method)) throw new Problem('bearer-required');
      if (operator) return operator;
    }
    throw new Problem('token-required', {
      detail: 'send Authorization: Bearer <operator token>, or open /enter?token=<operator token>',
    });
  };

  return {
    require: (role: OperatorRole) => async (request: FastifyRequest) => {
      const operator = await authenticate(request);
      if (role === 'admin' && operator.role !== 'admin') {
        throw new Problem('role-required', { detail: 'this needs the role admin' });
      }
      known.set(request, operator);
    },
    of(request: FastifyRequest): Operator {
      const operator = known.get(request);
      if (!operator) throw new Error('route without operator authentication');
      return operator;
    },
  };
};

export type OperatorAuth = ReturnType<typeof createOperatorAuth>;

/** How an operator is named in the audit. */
export const actorOf = (operator: Operator): string => `operator:${operator.id}`;

const bearerOf = (request: FastifyRequest): string | undefined =>
  /^Bearer +([A-Za-z0-9._~+/-]{1,200}=*)$/i.exec(request.headers.authorization ?? '')?.[1];

const cookieOf = (request: FastifyRequest, name: string): string | undefined =>
  (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1);
