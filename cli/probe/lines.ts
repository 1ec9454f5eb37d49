import type { Failure } from '#contract/failure.ts';

/** `12.3 ms`; a dash for what was not measured, which is not 0. */
export const showMs = (ms: number | null): string => {
  if (ms === null) return '–';
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
};

/** Rows as columns; `right` names the columns whose numbers should stand under one another. */
export const showTable = (
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string[] => {
  const widths = (rows[0] ?? []).map((_cell, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, i) =>
        right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
};

/** A stretch of a whole as a bar that begins where the one before ended. */
export const showBar = (startMs: number, ms: number, totalMs: number, width = 40): string => {
  if (totalMs <= 0) return '';
  const from = Math.min(width - 1, Math.floor((startMs / totalMs) * width));
  const length = Math.max(1, Math.round((ms / totalMs) * width));
  return ' '.repeat(from) + '█'.repeat(Math.min(length, width - from));
};

export const showFailure = (failure: Failure | null): string[] =>
  failure === null
    ? []
    : [
        `FAILED  ${failure.type}  in phase ${failure.phase}, at fault: ${failure.source}`,
        `        ${failure.message}`,
        `        ${failure.action}`,
      ];

/**
 * For a terminal: control characters in what strangers say (names, pages, certificates) would be
 * taken for commands, those of direction would turn the text round. They are shown as what they are.
 */
export const printable = (text: string): string =>
  text.replace(commands, (character) =>
    character === '\n' ? character : codeOf(character, 'x', 2),
  );

/** The same for one line of a table or a screen. */
export const printableLine = (text: string): string =>
  text.replace(commands, (character) => codeOf(character, 'x', 2));

/** JSON for a terminal; `JSON.stringify` leaves some of them as they are. */
export const printableJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(commands, (character) =>
    // Only between values, where it is the indentation's.
    character === '\n' ? character : codeOf(character, 'u', 4),
  );

const commands = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const codeOf = (character: string, letter: 'x' | 'u', digits: number): string =>
  `\\${letter}${character.charCodeAt(0).toString(16).padStart(digits, '0')}`;
