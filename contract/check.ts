import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import type { ValueError } from '@sinclair/typebox/errors';
import { describe } from './mistake-words.ts';

/** One thing wrong with a value: where (RFC 6901 JSON pointer), and what would be right. */
export type Mistake = { pointer: string; message: string };

export type Checked<T> = { ok: true; value: T } | { ok: false; mistakes: Mistake[] };

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();

const checkerFor = (schema: TSchema): TypeCheck<TSchema> => {
  const known = compiled.get(schema);
  if (known) return known;
  const made = TypeCompiler.Compile(schema);
  compiled.set(schema, made);
  return made;
};

/** Checks a value against a schema once, at a border. Keeps at most 20 mistakes. */
export const check = <T extends TSchema>(schema: T, value: unknown): Checked<Static<T>> => {
  const checker = checkerFor(schema);
  if (checker.Check(value)) return { ok: true, value: value as Static<T> };
  return { ok: false, mistakes: mistakesOf(checker.Errors(value), '') };
};

/**
 * As `check`, for what another program of ours sent: it may be of a later version, and a field that
 * is not known here is let be. What may not be ignored comes with another `version` of its message.
 */
export const checkOpen = <T extends TSchema>(schema: T, value: unknown): Checked<Static<T>> =>
  check(openOf(schema) as T, value);

const opened = new WeakMap<TSchema, TSchema>();

const openOf = (schema: TSchema): TSchema => {
  const known = opened.get(schema);
  if (known) return known;
  const made = letBe(schema) as TSchema;
  opened.set(schema, made);
  return made;
};

/** A copy (TypeBox's own symbols included) in which no object is closed. */
const letBe = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(letBe);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => !(key === 'additionalProperties' && value === false))
      .map(([key, value]) => [key, letBe(value)]),
  );
  for (const symbol of Object.getOwnPropertySymbols(schema)) {
    Object.assign(copy, { [symbol]: (schema as Record<symbol, unknown>)[symbol] });
  }
  return copy;
};

const mostMistakes = 20;

const mistakesOf = (errors: Iterable<ValueError>, base: string): Mistake[] => {
  const mistakes: Mistake[] = [];
  for (const error of errors) {
    if (mistakes.length >= mostMistakes) break;
    const pointer = base + error.path;
    if (mistakes.some((seen) => seen.pointer === pointer)) continue;
    mistakes.push(...(insideUnion(error, pointer) ?? [toMistake(error, pointer)]));
  }
  return mistakes.slice(0, mostMistakes);
};

const toMistake = (error: ValueError, pointer: string): Mistake => ({
  pointer,
  message: describe(error),
});

/**
 * Of a union the checker says only that nothing fits. What may be null says what it is else; where
 * members are told apart by `type`, the one that was meant says what is wrong.
 */
const insideUnion = ({ schema, value }: ValueError, pointer: string): Mistake[] | undefined => {
  if (!Array.isArray(schema['anyOf']) || value === null || typeof value !== 'object') {
    return undefined;
  }
  const members = schema['anyOf'] as TSchema[];
  const [only, ...others] = members.filter((member) => member['type'] !== 'null');
  if (only !== undefined && others.length === 0) return inside(only, value, pointer);
  const types = members.map(typeOf);
  if (types.some((type) => typeof type !== 'string')) return undefined;
  const meant = members[types.indexOf((value as { type?: unknown }).type)];
  if (meant !== undefined) return inside(meant, value, pointer);
  return [{ pointer: `${pointer}/type`, message: `expected one of ${types.join(', ')}` }];
};

const inside = (schema: TSchema, value: unknown, pointer: string): Mistake[] =>
  mistakesOf(checkerFor(schema).Errors(value), pointer);

const typeOf = (member: TSchema): unknown =>
  (member['properties'] as Record<string, TSchema> | undefined)?.['type']?.['const'];

/** The mistakes as one readable text, a line each. */
export const explain = (mistakes: readonly Mistake[]): string =>
  mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('\n');
