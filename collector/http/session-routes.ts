import { Type } from '@sinclair/typebox';
import { type Operators, sessionLifetimeMs } from '../control/operators.ts';
import type { App } from './app.ts';
import { sessionCookie } from './operator-auth.ts';
import { Problem } from './problems.ts';

/** The link that lets a browser in: the token becomes a cookie and leaves the address bar. */
export const registerSessionRoutes = (
  app: App,
  parts: { operators: Operators; isSecure: boolean; now: () => number },
): void => {
  const secure = parts.isSecure ? '; Secure' : '';
  app.get(
    '/enter',
    {
      schema: {
        tags: ['operators'],
        summary: 'Let a browser in and go to the pages',
        querystring: Type.Object({ token: Type.String({ maxLength: 200 }) }),
        response: { 303: { description: 'to /, with the session cookie', type: 'null' } },
      },
    },
    async (request, reply) => {
      const session = await parts.operators.openSession(request.query.token, parts.now());
      if (session === undefined) {
        throw new Problem('token-required', { detail: 'this token is not, or no longer, valid' });
      }
      const maxAge = Math.floor(sessionLifetimeMs / 1_000);
      return reply
        .header(
          'set-cookie',
          `${sessionCookie}=${session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}${secure}`,
        )
        .header('cache-control', 'no-store')
        .header('referrer-policy', 'no-referrer')
        .redirect('/', 303);
    },
  );
};
