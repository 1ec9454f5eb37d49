import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';

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
  message: describe(error),
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

const describe = ({ type, message, schema, path }: ValueError): string => {
  if (Array.isArray(schema['enum'])) return `expected one of ${schema['enum'].join(', ')}`;
  if (type === ValueErrorType.ObjectAdditionalProperties) return unexpected(schema, path);
  if (type === ValueErrorType.StringPattern) return `expected ${formOf(schema)}`;
  if (typeof schema.description === 'string') return `${message} (${schema.description})`;
  return message;
};

/** Misspelt most often: then the nearest name is the fix, else all there are. */
const unexpected = (schema: TSchema, path: string): string => {
  const names = Object.keys((schema['properties'] as object | undefined) ?? {});
  if (names.length === 0) return 'Unexpected property';
  const given = path.slice(path.lastIndexOf('/') + 1);
  const [nearest] = names
    .map((name) => ({ name, edits: editsBetween(given.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.ceil(name.length / 4) || isBegun(given, name))
    .sort((a, b) => a.edits - b.edits);
  return nearest === undefined
    ? `Unexpected property: expected one of ${names.join(', ')}`
    : `Unexpected property: did you mean “${nearest.name}”?`;
};

/** `interval` for `intervalSeconds`. */
const isBegun = (given: string, name: string): boolean =>
  given.length >= 4 && name.startsWith(given);

/** Levenshtein's distance. A name longer than any of ours is not measured. */
const editsBetween = (given: string, name: string): number => {
  if (given.length > 64) return given.length;
  let row = Array.from({ length: name.length + 1 }, (_, at) => at);
  for (const [line, sign] of [...given].entries()) {
    const next = [line + 1];
    for (let at = 1; at <= name.length; at++) {
      const replaced = (row[at - 1] ?? 0) + (name[at - 1] === sign ? 0 : 1);
      next.push(Math.min(replaced, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[name.length] ?? 0;
};

/** Never the regular expression itself: whoever wrote the value is not asked to read one. */
const formOf = ({ description, pattern }: TSchema): string => {
  if (typeof description === 'string') return description;
  if (pattern === '^https?://') return 'a URL that begins with http:// or https://';
  return String(pattern).endsWith('://') ? 'a URL of another kind' : 'another form';
};

/** The mistakes as one readable text, a line each. */
export const explain = (mistakes: readonly Mistake[]): string =>
  mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('\n');
