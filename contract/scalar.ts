import { Kind, type Static, type TSchema, Type, TypeRegistry } from '@sinclair/typebox';

/** Building blocks shared by every message. Numbers carry their unit in the property's name. */

/** Closed object: an unknown key is an error, so a misspelt one is found at the border. */
export const closed = { additionalProperties: false } as const;

/** Identifier made by us: RFC 9562 UUID, lower case. */
export const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  description: 'RFC 9562 UUID, lower case',
});

/** Identifier chosen by a person (application, probe, edge): kept short because it becomes a tag. */
export const Slug = Type.String({
  pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$',
  description: 'lower-case letters, digits, dot, underscore, hyphen; at most 64 characters',
});

/** Time of day: epoch milliseconds. Bounded (2020–2100) so that seconds or microseconds are refused. */
export const EpochMs = Type.Number({
  minimum: 1_577_836_800_000,
  maximum: 4_102_444_800_000,
  description: 'epoch milliseconds, years 2020 to 2100',
});

/** A duration from one monotonic clock, in milliseconds; at most a day. */
export const DurationMs = Type.Number({
  minimum: 0,
  maximum: 86_400_000,
  description: 'milliseconds',
});

export const Ratio = Type.Number({ minimum: 0, maximum: 1, description: 'ratio, not per cent' });

/** Degrees, WGS 84. */
export const Position = Type.Object(
  {
    latitude: Type.Number({ minimum: -90, maximum: 90 }),
    longitude: Type.Number({ minimum: -180, maximum: 180 }),
  },
  closed,
);
export type Position = Static<typeof Position>;

export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

export const Text = (maxLength: number) => Type.String({ maxLength });

/** Not measured is `null`, never 0 and never left out: a reader must be able to tell the two apart. */
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const OneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ [Kind]: 'OneOf', type: 'string', enum: [...values] });

// TypeBox knows no JSON Schema `enum` of its own: its compiler throws on a kind not registered.
TypeRegistry.Set<{ enum: readonly unknown[] }>('OneOf', (schema, value) =>
  schema.enum.includes(value),
);
