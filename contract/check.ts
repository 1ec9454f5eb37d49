import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';

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
  const mistakes: Mistake[] = [];
  for (const error of checker.Errors(value)) {
    if (mistakes.length === 20) break;
    if (mistakes.some((seen) => seen.pointer === error.path)) continue;
    mistakes.push({ pointer: error.path, message: describe(error.message, error.schema) });
  }
  return { ok: false, mistakes };
};

const describe = (message: string, schema: TSchema): string => {
  if (Array.isArray(schema['enum'])) return `expected one of ${schema['enum'].join(', ')}`;
  if (typeof schema.description === 'string') return `${message} (${schema.description})`;
  return message;
};

/** The mistakes as one readable text, a line each. */
export const explain = (mistakes: readonly Mistake[]): string =>
  mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('\n');
