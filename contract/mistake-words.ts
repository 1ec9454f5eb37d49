import type { TSchema } from '@sinclair/typebox';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';

/** What is wrong and what would be right, for whoever wrote the value. */
export const describe = ({ type, schema, path, value }: ValueError): string => {
  if (type === ValueErrorType.ObjectAdditionalProperties) return unexpected(schema, path);
  if (type === ValueErrorType.StringPattern) return `expected ${formOf(schema)}`;
  const expected = `expected ${wanted(schema)}`;
  return value === undefined ? `missing: ${expected}` : `${expected}, not ${given(value)}`;
};

/** A schema in words. */
export const wanted = (schema: TSchema): string => {
  const words = plainWords(schema);
  const { description } = schema;
  if (typeof description !== 'string') return words;
  // What says the form of a text says all; of a number it says the unit.
  return schema['type'] === 'string' ? description : `${words} (${description})`;
};

const plainWords = (schema: TSchema): string => {
  if (Array.isArray(schema['enum'])) return oneOf(schema['enum'] as unknown[]);
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['anyOf'])) return anyOf(schema['anyOf'] as TSchema[]);
  const { minItems, maxItems, maxLength } = schema as Bounds;
  switch (schema['type']) {
    case 'number':
      return `a number${range(schema)}`;
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'string':
      return maxLength === undefined ? 'text' : `text of at most ${maxLength} characters`;
    case 'array':
      return `a list${between(minItems, maxItems, ' entries')}`;
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    default:
      return objectOf(schema);
  }
};

const mostKeys = 8;

const objectOf = ({ required }: TSchema): string => {
  if (!Array.isArray(required) || required.length === 0) return 'an object';
  const more = required.length > mostKeys ? ', …' : '';
  return `an object with ${required.slice(0, mostKeys).join(', ')}${more}`;
};

type Bounds = { minItems?: number; maxItems?: number; maxLength?: number };

const oneOf = (values: readonly unknown[]): string =>
  values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`;

const anyOf = (members: readonly TSchema[]): string => {
  if (members.every((member) => 'const' in member)) {
    return oneOf(members.map((member) => member['const']));
  }
  return members.map(wanted).join(' or ');
};

const range = ({ minimum, maximum, exclusiveMinimum }: TSchema): string => {
  const most = (maximum as number) >= Number.MAX_SAFE_INTEGER ? undefined : (maximum as number);
  if (typeof exclusiveMinimum === 'number') return ` above ${exclusiveMinimum}`;
  return between(minimum as number | undefined, most, '');
};

const between = (least: number | undefined, most: number | undefined, unit: string): string => {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}${unit}`;
  if (least !== undefined) return ` of at least ${least}${unit}`;
  return most === undefined ? '' : ` of at most ${most}${unit}`;
};

/** Numbers as they are; never a text, which may be a secret or a page's. */
const given = (value: unknown): string => {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'string' ? 'this text' : 'an object';
};

/** Misspelt most often: then the nearest name is the fix, else all there are. */
const unexpected = (schema: TSchema, path: string): string => {
  const names = Object.keys((schema['properties'] as object | undefined) ?? {});
  if (names.length === 0) return 'Unexpected property';
  const name = path.slice(path.lastIndexOf('/') + 1);
  const nearest = nearestOf(name, names);
  return nearest === undefined
    ? `Unexpected property: expected one of ${names.join(', ')}`
    : `Unexpected property: did you mean “${nearest}”?`;
};

const nearestOf = (given: string, names: readonly string[]): string | undefined =>
  names
    .map((name) => ({ name, edits: editsBetween(given.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.ceil(name.length / 4) || isBegun(given, name))
    .sort((a, b) => a.edits - b.edits)[0]?.name;

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
