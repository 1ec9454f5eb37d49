/** Milliseconds as people say them: whole above ten, one decimal below. */
export const sayMs = (ms: number): string =>
  `${ms >= 9.95 ? Math.round(ms) : Math.round(ms * 10) / 10 + 0} ms`;

export const sayPercent = (ratio: number): string => `${Math.round(ratio * 100)} %`;

/** The time of day of the device's clock, in UTC so that two readers mean the same moment. */
export const sayTime = (timeMs: number): string =>
  `${new Date(timeMs).toISOString().slice(11, 16)} UTC`;

export const sayCount = (count: number, one: string): string =>
  `${count} ${one}${count === 1 ? '' : 's'}`;

/** "a", "a and b", "a, b and c". */
export const sayList = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** Cut to what the contract lets through; the cut is visible. */
export const atMost = (length: number, text: string): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`;
