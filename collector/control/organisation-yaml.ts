import { type Document, isScalar, Lexer, LineCounter, Parser, parseDocument, visit } from 'yaml';
import { Problem } from '../http/problems.ts';

/** Parsing takes long for its length. */
const maxYamlLength = 512 * 1024;
/** The parser's own nesting: about two for each of the document's, which nests seven deep. */
const maxDepth = 40;
const maxAliases = 100;

/**
 * A document's value. What the parser would spend more on than the text is worth is refused first:
 * deep nesting, a text that is broken from early on, keys compared each with each.
 */
export const parseYaml = (text: string): unknown => {
  if (text.length > maxYamlLength) {
    const detail = `YAML of more than ${maxYamlLength} characters: send it as JSON`;
    throw new Problem('body-too-large', { detail });
  }
  try {
    refuseDeep(text);
    const lines = new LineCounter();
    // Without `prettyErrors`: each of a million mistakes would quote its line.
    const options = { uniqueKeys: false, prettyErrors: false, lineCounter: lines };
    const document = parseDocument(text, options);
    const [first] = document.errors;
    if (first) throw new Error(`${first.message} at ${placeOf(lines, first.pos[0])}`);
    refuseDoubles(document, lines);
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    throw new Problem('bad-request', { detail: `YAML: ${(error as Error).message}` });
  }
};

/** The first half of the parser keeps a stack and does not recurse: the depth can be watched. */
const refuseDeep = (text: string): void => {
  const lines = new LineCounter();
  const parser = new Parser(lines.addNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type !== 'error') continue;
      throw new Error(`${token.message} at ${placeOf(lines, token.offset)}`);
    }
    if (parser.stack.length > maxDepth) {
      throw new Error(`nested too deep at ${placeOf(lines, parser.offset)}`);
    }
  }
};

/** A key twice is a mistake; found in one pass. Aliases are few: each is looked for everywhere. */
const refuseDoubles = (document: Document, lines: LineCounter): void => {
  let aliasCount = 0;
  visit(document, {
    Alias: () => {
      aliasCount += 1;
      if (aliasCount > maxAliases) throw new Error(`more than ${maxAliases} aliases`);
    },
    Map: (_key, map) => {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) throw new Error('a key that is no text');
        if (seen.has(key.value)) {
          throw new Error(
            `“${String(key.value)}” a second time at ${placeOf(lines, key.range?.[0] ?? 0)}`,
          );
        }
        seen.add(key.value);
      }
    },
  });
};

const placeOf = (lines: LineCounter, offset: number): string => {
  const { line, col } = lines.linePos(offset);
  return `line ${line}, column ${col}`;
};
