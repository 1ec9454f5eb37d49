import { Type } from '@sinclair/typebox';
import { Count, closed, EpochMs, Nullable, OneOf, Text, Uuid } from '#contract/scalar.ts';
import { answers, ListOf, noContent } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { EnrollmentTokens } from './enrollment-tokens.ts';
import type { Operators } from './operators.ts';

const security = [{ operatorToken: [] }];

const Role = OneOf(['viewer', 'admin'] as const);
const TokenRole = OneOf(['device', 'edge'] as const);

const OperatorWish = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 128 }), role: Role },
  { ...closed, $id: 'OperatorWish' },
);
const OperatorLine = Type.Object(
  {
    id: Uuid,
    name: Text(128),
    role: Role,
    createdAt: EpochMs,
    revokedAt: Nullable(EpochMs),
  },
  { $id: 'Operator' },
);
const OperatorMade = Type.Object(
  { id: Uuid, name: Text(128), role: Role, token: Text(100) },
  { $id: 'OperatorMade' },
);

const TokenWish = Type.Object(
  {
    role: TokenRole,
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 31_536_000 })),
    note: Type.Optional(Text(200)),
  },
  { ...closed, $id: 'EnrollmentTokenWish' },
);
const tokenFields = { id: Text(40), role: TokenRole, usesLeft: Count, expiresAt: EpochMs };
const TokenLine = Type.Object(
  { ...tokenFields, note: Text(200), createdAt: EpochMs },
  { $id: 'EnrollmentToken' },
);
const TokenMade = Type.Object({ ...tokenFields, token: Text(200) }, { $id: 'EnrollmentTokenMade' });

const defaultTokenLifetimeMs = 86_400_000;

/** Who may use this API, and who may enrol. All of it is for admins. */
export const registerAccessRoutes = (
  app: App,
  parts: {
    operators: Operators;
    tokens: EnrollmentTokens;
    auth: OperatorAuth;
    now: () => number;
  },
): void => {
  registerOperators(app, parts);
  registerTokens(app, parts);
};

type Parts = Parameters<typeof registerAccessRoutes>[1];

const registerOperators = (app: App, { operators, auth, now }: Parts): void => {
  const tags = ['operators'];
  const onRequest = auth.require('admin');

  app.get(
    '/v1/operators',
    { schema: { tags, security, response: answers(ListOf(OperatorLine), 'All') }, onRequest },
    async () => ({ items: await operators.list() }),
  );

  app.post(
    '/v1/operators',
    {
      schema: {
        tags,
        security,
        body: OperatorWish,
        response: answers(OperatorMade, 'The token is shown this once'),
      },
      onRequest,
    },
    (request) => operators.create(request.body, actorOf(auth.of(request)), now()),
  );

  app.post(
    '/v1/operators/:id/revoke',
    {
      schema: {
        tags,
        security,
        params: Type.Object({ id: Uuid }),
        response: noContent('Its token opens nothing from now on'),
      },
      onRequest,
    },
    async (request, reply) => {
      const actor = actorOf(auth.of(request));
      if (!(await operators.revoke(request.params.id, actor, now()))) {
        throw new Problem('not-found', { detail: 'no such operator, or revoked before' });
      }
      return reply.code(204).send();
    },
  );
};

const registerTokens = (app: App, { tokens, auth, now }: Parts): void => {
  const tags = ['enrollment'];
  const onRequest = auth.require('admin');

  app.get(
    '/v1/enrollment-tokens',
    { schema: { tags, security, response: answers(ListOf(TokenLine), 'Newest first') }, onRequest },
    async () => ({ items: await tokens.list() }),
  );

  app.post(
    '/v1/enrollment-tokens',
    {
      schema: {
        tags,
        security,
        summary: 'A token with which devices or edges enrol: one use and a day unless said',
        body: TokenWish,
        response: answers(TokenMade, 'The token is shown this once'),
      },
      onRequest,
    },
    (request) => {
      const { role, uses = 1, expiresInSeconds, note = '' } = request.body;
      const lifetimeMs =
        expiresInSeconds === undefined ? defaultTokenLifetimeMs : expiresInSeconds * 1_000;
      const wish = { role, uses, lifetimeMs, note };
      return tokens.create(wish, actorOf(auth.of(request)), now());
    },
  );

  app.post(
    '/v1/enrollment-tokens/:id/cancel',
    {
      schema: {
        tags,
        security,
        params: Type.Object({ id: Text(40) }),
        response: noContent('No use of it is left'),
      },
      onRequest,
    },
    async (request, reply) => {
      const actor = actorOf(auth.of(request));
      if (!(await tokens.cancel(request.params.id, actor, now()))) {
        throw new Problem('not-found', { detail: 'there is no such token' });
      }
      return reply.code(204).send();
    },
  );
};
