import { pointerKey } from './json-pointer.ts';

/** One difference: where, and the value before and after (absent: was not, is not there). */
export type Change = { pointer: string; before?: unknown; after?: unknown };

/**
 * What a person has to read before applying. Lists of things with an `id` are compared by it, not
 * by position; secrets show as changed, never as they are.
 */
export const diffDocuments = (before: unknown, after: unknown): Change[] =>
  compare('', before, after).map((change) => ({
    pointer: change.pointer,
    ...('before' in change ? { before: withoutSecrets(change.before, change.pointer) } : {}),
    ...('after' in change ? { after: withoutSecrets(change.after, change.pointer) } : {}),
  }));

/** Signing secrets, and what a probe's request headers may carry. */
const secretPointer = /\/secret$|\/headers\/[^/]+$/;

/** Chat services put their secret in the address: who is told may be seen, where exactly not. */
const webhookUrlPointer = /^\/webhooks\/[^/]+\/url$/;

/** The document as a viewer may see it. */
export const withoutSecrets = (value: unknown, pointer = ''): unknown => {
  if (typeof value === 'string') return withoutSecret(value, pointer);
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, `${pointer}/-`));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner, `${pointer}/${key}`)]),
  );
};

const withoutSecret = (text: string, pointer: string): string => {
  if (secretPointer.test(pointer)) return '…';
  if (!webhookUrlPointer.test(pointer)) return text;
  return URL.canParse(text) ? `${new URL(text).origin}/…` : '…';
};

const compare = (pointer: string, before: unknown, after: unknown): Change[] => {
  if (before === undefined && after === undefined) return [];
  if (before === undefined) return [{ pointer, after }];
  if (after === undefined) return [{ pointer, before }];
  const [left, right] = [membersOf(before), membersOf(after)];
  if (left && right) {
    const keys = [...new Set([...left.keys(), ...right.keys()])];
    const changes = keys.flatMap((key) =>
      compare(`${pointer}/${pointerKey(key)}`, left.get(key), right.get(key)),
    );
    return Array.isArray(before) ? [...changes, ...compareOrder(pointer, left, right)] : changes;
  }
  return isSame(before, after) ? [] : [{ pointer, before, after }];
};

/** Order says something too: of access rules the first that matches wins. */
const compareOrder = (
  pointer: string,
  left: Map<string, unknown>,
  right: Map<string, unknown>,
): Change[] => {
  const before = [...left.keys()].filter((id) => right.has(id));
  const after = [...right.keys()].filter((id) => left.has(id));
  return isSame(before, after) ? [] : [{ pointer, before, after }];
};

/** An object's members, or an id-list's items by id; undefined for what is compared whole. */
const membersOf = (value: unknown): Map<string, unknown> | undefined => {
  if (Array.isArray(value)) {
    const ids = value.map((item) => (isObject(item) ? item['id'] : undefined));
    const isKeyed = ids.every((id) => typeof id === 'string') && new Set(ids).size === ids.length;
    return isKeyed ? new Map(value.map((item, index) => [String(ids[index]), item])) : undefined;
  }
  return isObject(value) ? new Map(Object.entries(value)) : undefined;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Key order does not count: PostgreSQL's jsonb does not keep it. */
const isSame = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** JSON with sorted keys: equal text for equal values. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
