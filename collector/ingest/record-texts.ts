import { isIP } from 'node:net';
import type { Mistake } from '#contract/check.ts';

/**
 * What schemas leave open of a record's texts, which end in pages, messages and terminals. Where an
 * address must stand one stands, or it is a mistake; characters that would command a terminal or turn
 * a line's direction round are replaced, in place: a page's own error message may well have some.
 */
export const settleTexts = (record: object): Mistake[] => {
  const mistakes: Mistake[] = [];
  settle(record, '', mistakes);
  return mistakes;
};

const settle = (holder: object, pointer: string, mistakes: Mistake[]): void => {
  const values = holder as Record<string, unknown>;
  for (const key of Object.keys(values)) {
    const value = values[key];
    if (typeof value === 'object' && value !== null) {
      settle(value, `${pointer}/${key}`, mistakes);
    } else if (typeof value === 'string') {
      const message = mistakeOf(key, value);
      if (message !== undefined) mistakes.push({ pointer: `${pointer}/${key}`, message });
      else if (commands.test(value)) values[key] = value.replaceAll(everyCommand, replaced);
    }
  }
};

const addressKeys = new Set(['address', 'remoteAddress', 'toldBy']);
/** 22 characters of base64url: what a keyed hash of 128 bits and more is cut to. */
const siteId = /^[\w-]{22}$/;

const mistakeOf = (key: string, text: string): string | undefined => {
  if (addressKeys.has(key) && isIP(text) === 0) return 'expected an IP address';
  // A recording may name its sites; of a device a name would be one it could choose.
  if (key === 'siteId' && !siteId.test(text)) return 'expected a keyed hash of 22 characters';
  return undefined;
};

/** C0 and C1, and what overrides or isolates direction (Unicode bidirectional algorithm). */
const commands = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;
const everyCommand = new RegExp(commands, 'gu');

const replaced = (character: string): string =>
  character === '\n' || character === '\t' ? character : '\ufffd';
