import type { Mistake } from '#contract/check.ts';

/** NUL and halves of surrogate pairs: JSON carries them, PostgreSQL takes them nowhere. */
const isStorable = (text: string): boolean => !text.includes('\0') && !/\p{Surrogate}/u.test(text);

/** Where a value holds text that no engine could keep; keys count too. */
export const findUnstorable = (value: unknown, pointer = ''): Mistake[] => {
  if (typeof value === 'string') {
    if (isStorable(value)) return [];
    return [{ pointer, message: 'expected text without NUL and without half surrogate pairs' }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...findUnstorable(key, pointer),
    ...findUnstorable(inner, `${pointer}/${key}`),
  ]);
};

/** The value with such text taken out, for what we made ourselves from what others said. */
export const storable = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'string' ? inner.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '') : inner,
    ),
  ) as T;
