import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import type { ValueError } from '@sinclair/typebox/errors';

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
  message: describe(error.message, error.schema),
});

/**
 * Of a union the checker says only that nothing fits. Where its members are told apart by `type`,
 * the one that was meant says what is wrong.
 */
const insideUnion = ({ schema, value }: ValueError, pointer: string): Mistake[] | undefined => {
  if (!Array.isArray(schema['anyOf']) || value === null || typeof value !== 'object') {
    return undefined;
  }
  const members = (schema['anyOf'] as TSchema[]).map((member) => ({
    member,
    type: (member['properties'] as Record<string, TSchema> | undefined)?.['type']?.['const'],
  }));
  if (members.some(({ type }) => typeof type !== 'string')) return undefined;
  const meant = members.find(({ type }) => type === (value as { type?: unknown }).type);
  if (meant === undefined) {
    const types = members.map(({ type }) => type).join(', ');
    return [{ pointer: `${pointer}/type`, message: `expected one of ${types}` }];
  }
  return mistakesOf(checkerFor(meant.member).Errors(value), pointer);
};

const describe = (message: string, schema: TSchema): string => {
  if (Array.isArray(schema['enum'])) return `expected one of ${schema['enum'].join(', ')}`;
  if (typeof schema.description === 'string') return `${message} (${schema.description})`;
  return message;
};

/** The mistakes as one readable text, a line each. */
export const explain = (mistakes: readonly Mistake[]): string =>
  mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('\n');
