/** Forms of puppeteer's beside CSS: whatever follows the stroke is the text, name or expression. */
const otherForms = /^(text|aria|xpath|pierce)\/(.*)$/s;

/**
 * What is wrong with a selector, for whoever wrote it; undefined: nothing that can be seen without a
 * browser. Not a parser of CSS: it finds what people mistype (quotes, brackets, names, combinators).
 */
export const selectorMistake = (selector: string): string | undefined => {
  const [, form, rest = ''] = otherForms.exec(selector) ?? [];
  if (form !== undefined && form !== 'pierce') {
    return rest.trim() === '' ? `nothing follows “${form}/”` : undefined;
  }
  const css = form === 'pierce' ? rest : selector;
  const bared = bare(css);
  if (typeof bared !== 'string') return bared.mistake;
  return partMistake(bared);
};

const closerOf: Record<string, string> = { '(': ')', '[': ']' };

/** The selector with strings and what stands in brackets taken out; or what is not closed. */
const bare = (css: string): string | { mistake: string } => {
  const open: string[] = [];
  let outside = '';
  for (let i = 0; i < css.length; i++) {
    const sign = css[i] ?? '';
    if (sign === '\\') {
      if (i === css.length - 1) return { mistake: 'it ends in a backslash' };
      if (open.length === 0) outside += 'x';
      i += 1;
    } else if (sign === '"' || sign === "'") {
      const end = endOfString(css, i);
      if (end === -1) return { mistake: `the ${sign} at character ${i + 1} is not closed` };
      if (open.length === 0) return { mistake: `a string stands outside brackets: ${sign}` };
      i = end;
    } else if (sign in closerOf) {
      if (sign === '[' && css[i + 1] === ']') return { mistake: 'nothing stands in “[]”' };
      if (open.length === 0) outside += sign;
      open.push(sign);
    } else if (sign === ')' || sign === ']') {
      const opener = open.pop();
      if (opener === undefined) return { mistake: `“${sign}” closes nothing` };
      if (closerOf[opener] !== sign) return { mistake: `“${opener}” is closed by “${sign}”` };
      if (open.length === 0) outside += sign;
    } else if (open.length === 0) outside += sign;
  }
  const [opener] = open;
  return opener === undefined ? outside : { mistake: `“${opener}” is not closed` };
};

const endOfString = (css: string, start: number): number => {
  for (let i = start + 1; i < css.length; i++) {
    if (css[i] === '\\') i += 1;
    else if (css[i] === css[start]) return i;
  }
  return -1;
};

const partMistake = (outside: string): string | undefined => {
  const stray = /[{}@!$%^&;?=<`/]/.exec(outside)?.[0];
  if (stray !== undefined) return `“${stray}” has no place in a selector`;
  const parts = outside.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '')) {
    return parts.length === 1 ? 'it is empty' : 'nothing stands beside a comma';
  }
  for (const part of parts) {
    if (/^[>+~]/.test(part)) return `it begins with “${part[0]}”`;
    if (/[>+~]$/.test(part)) return `it ends with “${part.at(-1)}”`;
    const sign = /([#.]|::?)(?![A-Za-z_:\-\u0080-\uffff])/.exec(part)?.[1];
    if (sign !== undefined) return `after “${sign}” comes a name, which begins with a letter`;
    if (/(^|[\s>+~])\d/.test(part)) return 'a name begins with a digit';
  }
  return undefined;
};
