import { type TSchema, Type } from '@sinclair/typebox';
import { Count, EpochMs, Text } from '#contract/scalar.ts';

/** RFC 9457, as every error of this collector is answered. */
export const ProblemDetails = Type.Object(
  {
    type: Text(100),
    title: Text(200),
    status: Type.Integer(),
    detail: Type.Optional(Text(1_000)),
    instance: Type.Optional(
      Type.String({ description: '`urn:uuid:…` of this one answer; its log line has the same' }),
    ),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: Text(500), message: Text(1_000) }), {
        description: 'JSON pointers (RFC 6901) into what was sent, and what would be right',
      }),
    ),
  },
  { $id: 'ProblemDetails' },
);

/** A route's answers: what it gives, and the problems any route can give. */
export const answers = <T extends TSchema>(good: T, description: string) => ({
  200: { description, content: { 'application/json': { schema: good } } },
  ...problems,
});

export const noContent = (description: string) => ({
  204: { description, type: 'null' as const },
  ...problems,
});

export const binary = (mediaTypes: readonly string[], description: string) => ({
  200: {
    description,
    content: Object.fromEntries(
      mediaTypes.map((type) => [type, { schema: Type.String({ format: 'binary' }) }]),
    ),
  },
  ...problems,
});

const problems = {
  '4xx': {
    description: 'A problem with the request: `type` names it',
    content: { 'application/problem+json': { schema: ProblemDetails } },
  },
  503: {
    description: 'An engine does not answer: try again after Retry-After',
    content: { 'application/problem+json': { schema: ProblemDetails } },
  },
};

/** Newest first; go on with `before` = the last one's time. */
export const Page = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    before: Type.Optional(EpochMs),
  },
  { additionalProperties: false },
);
export const pageOf = (query: { limit?: number; before?: number }) => ({
  limit: query.limit ?? 100,
  before: query.before ?? Number.MAX_SAFE_INTEGER,
});

export const ListOf = <T extends TSchema>(item: T) => Type.Object({ items: Type.Array(item) });
export const EpochMsOrZero = Type.Union([EpochMs, Count]);
