import type { Command } from './platform.ts';

/** A command as a person would type it: for sh, or for cmd.exe. */
export const commandText = ({ argv, mayFail }: Command, isWindows: boolean): string => {
  const text = argv.map(isWindows ? quoteForCmd : quoteForShell).join(' ');
  return mayFail === true ? `${text}${isWindows ? ' || ver > nul' : ' || true'}` : text;
};

const quoteForShell = (word: string): string =>
  /^[A-Za-z0-9_.:/=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** CommandLineToArgvW: quotes around, a quote inside with a backslash before it. */
const quoteForCmd = (word: string): string =>
  /^[A-Za-z0-9_.:/=@+\\-]+$/.test(word)
    ? word
    : `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
