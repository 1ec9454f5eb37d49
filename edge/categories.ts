import { isIP } from 'node:net';
import { hostPatternMistake, normalHost } from '#contract/host-pattern.ts';

/** Which categories a name belongs to, by the longest listed domain it is or is under. */
export type CategoryList = {
  /** `name`: as `normalHost` gives it. */
  find(name: string): readonly string[];
  /** Every category that is named. */
  names: ReadonlySet<string>;
  domainCount: number;
  /** Lines about a domain that was there before: its categories are put together. */
  duplicateCount: number;
};

export const noCategories: CategoryList = {
  find: () => [],
  names: new Set(),
  domainCount: 0,
  duplicateCount: 0,
};

/** A million lines are five times the largest list in use; more is a wrong file. */
export const mostDomains = 1_000_000;
/** Combinations of categories; each entry keeps the number of one in two bytes. */
const mostSets = 65_535;
const mostNamedMistakes = 5;

/** The list cannot be used; says which lines are wrong. */
export class CategoriesRefused extends Error {
  override name = 'CategoriesRefused';
}

/**
 * Reads a list piece by piece, a line each: `domain category[,category]`, `#` before a comment. One
 * wrong line refuses the whole: half a list would let through what the other half names.
 */
export const createCategoryReader = () => {
  const table = createDomainTable();
  const sets = createSets();
  const mistakes: string[] = [];
  let mistakeCount = 0;
  let lineNumber = 0;
  let rest = '';
  let duplicateCount = 0;

  const take = (line: string): void => {
    lineNumber += 1;
    const entry = readLine(line);
    if (entry === undefined) return;
    if ('mistake' in entry) {
      mistakeCount += 1;
      if (mistakes.length < mostNamedMistakes)
        mistakes.push(`line ${lineNumber}: ${entry.mistake}`);
      return;
    }
    const before = table.get(entry.domain);
    if (before !== undefined) duplicateCount += 1;
    table.set(entry.domain, sets.numberOf(entry.categories, before));
    if (table.count() > mostDomains)
      throw new CategoriesRefused(`more than ${mostDomains} domains`);
  };

  return {
    push(text: string): void {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > 10_000) throw new CategoriesRefused(`line ${lineNumber + 1}: too long`);
      for (const line of lines) take(line);
    },
    end(): CategoryList {
      take(rest);
      if (mistakeCount > 0) {
        const more = mistakeCount > mistakes.length ? `; ${mistakeCount} lines in all` : '';
        throw new CategoriesRefused(`${mistakes.join('; ')}${more}`);
      }
      const { find } = table;
      return {
        find: (name) => sets.at(find(name)),
        names: sets.names(),
        domainCount: table.count(),
        duplicateCount,
      };
    },
  };
};

const plainDomain =
  /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const category = /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/;

type Line = { domain: string; categories: string[] } | { mistake: string } | undefined;

const readLine = (line: string): Line => {
  const comment = line.indexOf('#');
  const text = (comment === -1 ? line : line.slice(0, comment)).trim();
  if (text === '') return undefined;
  const [written = '', names, ...more] = text.split(/\s+/);
  if (names === undefined) return { mistake: `“${short(written)}” has no category after it` };
  if (more.length > 0)
    return { mistake: 'more than a domain and its categories (commas, no blanks)' };
  const categories = names.split(',');
  const wrong = categories.find((name) => !category.test(name));
  if (wrong !== undefined)
    return { mistake: `“${short(wrong)}” is no category: lower-case letters` };
  const domain = normalHost(written.replace(/^\*?\./, ''));
  if (isIP(domain) !== 0) return { mistake: 'an address: only names have categories' };
  if (!plainDomain.test(domain) || domain.length > 253) {
    const mistake = hostPatternMistake(written) ?? 'it is no name';
    return { mistake: `“${short(written)}”: ${mistake}` };
  }
  return { domain, categories };
};

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** Combinations of categories, each kept once. Number 0: none. */
const createSets = () => {
  const all: (readonly string[])[] = [[]];
  const numbers = new Map<string, number>();
  return {
    numberOf(categories: readonly string[], before: number | undefined): number {
      const joined = before === undefined ? categories : [...(all[before] ?? []), ...categories];
      const sorted = joined.length === 1 ? joined : [...new Set(joined)].sort();
      const key = sorted.join();
      const known = numbers.get(key);
      if (known !== undefined) return known;
      if (all.length > mostSets) throw new CategoriesRefused('too many combinations of categories');
      numbers.set(key, all.length);
      return all.push(sorted) - 1;
    },
    at: (number: number): readonly string[] => all[number] ?? [],
    names: (): Set<string> => new Set(all.flat()),
  };
};

/**
 * Domains and a number each. A Map of 200,000 strings takes some 60 MB of heap; here a name is its
 * bytes, found by a hash that is taken from the end of the name, so that one pass over a host gives
 * the hashes of all domains it is under.
 */
const createDomainTable = () => {
  let bytes = new Uint8Array(65_536);
  let used = 0;
  let count = 0;
  let capacity = 4_096;
  let starts = new Uint32Array(capacity);
  let hashes = new Int32Array(capacity);
  let values = new Uint16Array(capacity);
  /** Entry + 1 by hash; 0: empty. Twice the capacity, so never full. */
  let slots = new Uint32Array(capacity * 2);

  const grow = (): void => {
    capacity *= 2;
    starts = copied(starts, new Uint32Array(capacity));
    hashes = copied(hashes, new Int32Array(capacity));
    values = copied(values, new Uint16Array(capacity));
    slots = new Uint32Array(capacity * 2);
    for (let entry = 0; entry < count; entry += 1) {
      let slot = (hashes[entry] ?? 0) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = entry + 1;
    }
  };

  const isSame = (entry: number, name: string, from: number): boolean => {
    const start = starts[entry] ?? 0;
    const end = entry + 1 < count ? (starts[entry + 1] ?? 0) : used;
    if (end - start !== name.length - from) return false;
    for (let at = start, sign = from; at < end; at += 1, sign += 1) {
      if (bytes[at] !== name.charCodeAt(sign)) return false;
    }
    return true;
  };

  /** The entry for the rest of the name from there, or −1. */
  const entryOf = (hash: number, name: string, from: number): number => {
    let slot = hash & (slots.length - 1);
    for (;;) {
      const entry = (slots[slot] ?? 0) - 1;
      if (entry === -1) return -1;
      if (hashes[entry] === hash && isSame(entry, name, from)) return entry;
      slot = (slot + 1) & (slots.length - 1);
    }
  };

  return {
    count: () => count,
    get(name: string): number | undefined {
      const entry = entryOf(hashOf(name), name, 0);
      return entry === -1 ? undefined : values[entry];
    },
    set(name: string, value: number): void {
      const hash = hashOf(name);
      const known = entryOf(hash, name, 0);
      if (known !== -1) {
        values[known] = value;
        return;
      }
      if (count === capacity) grow();
      while (used + name.length > bytes.length)
        bytes = copied(bytes, new Uint8Array(bytes.length * 2));
      starts[count] = used;
      hashes[count] = hash;
      values[count] = value;
      for (let at = 0; at < name.length; at += 1) bytes[used + at] = name.charCodeAt(at);
      used += name.length;
      let slot = hash & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = count + 1;
      count += 1;
    },
    /** The number of the longest domain that the name is or is under; 0: none. */
    find(name: string): number {
      let found = 0;
      let hash = firstHash;
      for (let at = name.length - 1; at >= 0; at -= 1) {
        const sign = name.charCodeAt(at);
        if (sign === dot) {
          const entry = entryOf(hash, name, at + 1);
          if (entry !== -1) found = values[entry] ?? 0;
        }
        hash = Math.imul(hash ^ sign, hashPrime);
      }
      const whole = entryOf(hash, name, 0);
      return whole === -1 ? found : (values[whole] ?? 0);
    },
  };
};

/** FNV-1a, from the last character to the first. */
const firstHash = 0x811c9dc5 | 0;
const hashPrime = 0x01000193;
const dot = 46;

const hashOf = (name: string): number => {
  let hash = firstHash;
  for (let at = name.length - 1; at >= 0; at -= 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), hashPrime);
  }
  return hash;
};

const copied = <T extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(
  from: T,
  to: T,
): T => {
  to.set(from);
  return to;
};
