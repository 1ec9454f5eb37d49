/** What stands where a secret stood. */
const blank = '•••';

/**
 * Takes secrets out of text, in the forms in which a page passes them on: plain, in a URL, in a
 * form's body, in JSON, in base64.
 */
export const createRedactor = (secrets: readonly string[]) => {
  const forms = [...new Set(secrets.filter(({ length }) => length > 0).flatMap(formsOf))].toSorted(
    (a, b) => b.length - a.length,
  );
  const text = (value: string): string =>
    forms.reduce((left, form) => left.replaceAll(form, blank), value);
  const deep = <T>(value: T): T => {
    if (forms.length === 0) return value;
    if (typeof value === 'string') return text(value) as T;
    if (Array.isArray(value)) return value.map(deep) as T;
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, deep(one)])) as T;
  };
  return { text, deep };
};

export type Redactor = ReturnType<typeof createRedactor>;

const formsOf = (secret: string): string[] => [
  secret,
  encodeURI(secret),
  encodeURIComponent(secret),
  new URLSearchParams({ s: secret }).toString().slice(2),
  JSON.stringify(secret).slice(1, -1),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('base64url'),
];
