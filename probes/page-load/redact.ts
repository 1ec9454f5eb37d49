/** What stands where a secret stood. */
const blank = '•••';

/**
 * Takes secrets out of text, in the forms in which a page passes them on: plain, with blanks folded,
 * in a URL (once or twice encoded), in a form's body, in JSON, in HTML, in base64. Letters count the
 * same in either case. To be used on what a page gave before anything is cut off or changed in it.
 */
export const createRedactor = (secrets: readonly string[]) => {
  const forms = [...new Set(secrets.filter(({ length }) => length > 0).flatMap(formsOf))];
  const patterns = forms.map((form) => new RegExp(escapePattern(form), 'gi'));
  const longest = Math.max(0, ...forms.map(({ length }) => length));

  const text = (value: string): string => replaceSpans(value, spansOf(value, patterns));
  /** The beginning of a text of any length; what may be the first part of a secret is left out. */
  const start = (value: string, length: number): string => {
    const part = value.slice(0, length + 2 * longest);
    const left = text(part);
    const isWhole = part.length === value.length || longest === 0;
    return (isWhole ? left : left.slice(0, -longest)).slice(0, length);
  };
  const deep = <T>(value: T): T => {
    if (forms.length === 0) return value;
    if (typeof value === 'string') return text(value) as T;
    if (Array.isArray(value)) return value.map(deep) as T;
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, deep(one)])) as T;
  };
  return { text, start, deep };
};

export type Redactor = ReturnType<typeof createRedactor>;

type Span = [from: number, to: number];

/** Of all forms, overlapping ones as well: where one is taken out, no rest of another stays. */
const spansOf = (value: string, patterns: readonly RegExp[]): Span[] => {
  const spans: Span[] = [];
  for (const pattern of patterns) {
    pattern.lastIndex = 0;
    for (let found = pattern.exec(value); found !== null; found = pattern.exec(value)) {
      spans.push([found.index, pattern.lastIndex]);
      pattern.lastIndex = found.index + 1;
    }
  }
  return spans.toSorted(([a], [b]) => a - b);
};

const replaceSpans = (value: string, spans: readonly Span[]): string => {
  if (spans.length === 0) return value;
  const parts: string[] = [];
  let end = 0;
  for (const [from, to] of spans) {
    if (from >= end) parts.push(value.slice(end, from), blank);
    end = Math.max(end, to);
  }
  return parts.join('') + value.slice(end);
};

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Shorter forms than these would take other words with them. */
const minFormLength = 4;

const formsOf = (secret: string): string[] => [
  secret,
  ...asShown(wellFormed(secret))
    .flatMap((shown) => [shown, ...encoded(shown), ...inText(shown), ...inBase64(shown)])
    .filter(({ length }) => length >= minFormLength),
];

/** A field of one line drops its line breaks; HTML shows runs of blanks as one. */
const asShown = (secret: string): string[] => [
  secret,
  secret.trim(),
  secret.replace(/\s+/g, ' '),
  secret.replace(/\s+/g, ' ').trim(),
  secret.replace(/[\r\n]+/g, ''),
];

/** Half a surrogate pair has no encoding. */
const wellFormed = (secret: string): string => Buffer.from(secret).toString();

const encoded = (secret: string): string[] =>
  [
    encodeURI(secret),
    encodeURIComponent(secret),
    encodeURIComponent(secret).replace(/[!'()*~]/g, percent),
    new URLSearchParams({ s: secret }).toString().slice(2),
    [...Buffer.from(secret)].map((byte) => percent(String.fromCharCode(byte))).join(''),
  ].flatMap((once) => [once, encodeURIComponent(once)]);

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

const inText = (secret: string): string[] => {
  const json = JSON.stringify(secret).slice(1, -1);
  const html = secret.replace(/[&<>"']/g, (one) => entities[one] ?? one);
  const ascii = json.replace(
    /[^ -~]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [json, JSON.stringify(json).slice(1, -1), ascii, html];
};

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Alone, and within something longer that was encoded as one, as `user:password` is: three bytes
 * make four characters, so it can begin at three places. Characters shared with neighbours stay.
 */
const inBase64 = (secret: string): string[] => {
  const bytes = Buffer.from(secret);
  const within = [0, 1, 2].map((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    const whole = all.toString('base64').replace(/=+$/, '');
    return whole.slice(before === 0 ? 0 : before + 1, all.length % 3 === 0 ? undefined : -1);
  });
  return [bytes.toString('base64').replace(/=+$/, ''), ...within].flatMap((one) => [
    one,
    encodeURIComponent(one),
    one.replaceAll('+', '-').replaceAll('/', '_'),
  ]);
};
