import { Problem } from '../http/problems.ts';

/** 5,000 records of 400 fields. What JSON.parse makes of them takes about 0.2 s at worst. */
const maxStructure = 2_000_000;
/** A record nests four deep. */
const maxDepth = 64;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, openBrace, closeBracket, closeBrace] = [0x5b, 0x7b, 0x5d, 0x7d];

/**
 * Refuses JSON whose values cost more than its bytes, before they are made: a million empty objects
 * are three million bytes of text and far more as objects. One pass over the bytes; in UTF-8 no
 * byte of a longer character looks like one of JSON's. Says nothing about being well-formed.
 */
export const refuseCostlyJson = (json: Uint8Array): void => {
  let structure = 0;
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at);
    else if (byte === comma) structure += 1;
    else if (byte === openBracket || byte === openBrace) {
      structure += 1;
      depth += 1;
    } else if (byte === closeBracket || byte === closeBrace) depth -= 1;
    if (structure > maxStructure) throw tooMuch(`more than ${maxStructure} values`);
    if (depth > maxDepth) throw tooMuch(`nested more than ${maxDepth} deep`);
  }
};

const tooMuch = (what: string) =>
  new Problem('body-too-large', { detail: `the batch is ${what}: send smaller ones` });

/** Where the string that begins at `start` ends: at its closing quote, or with the text. */
const endOfString = (json: Uint8Array, start: number): number => {
  let at = start + 1;
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return at;
};
