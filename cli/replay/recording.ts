import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { UsageError } from '../usage-error.ts';
import { createLateness } from './lateness.ts';
import { linesOf } from './lines.ts';
import { type NumberedLines, numbered } from './numbered.ts';
import { inTimeOrder, timeIn } from './time-order.ts';
import { visitLines } from './visit-lines.ts';

/** What to judge. */
export type Recording = { lines: AsyncIterable<NumberedLines>; wasPutInOrder: boolean };

/**
 * A recording as it is, or, of a file whose lines are not in the order of their time, put into it. A
 * stream cannot be read twice.
 */
export const openRecording = async (
  file: string,
  binMs: number | undefined,
): Promise<Recording> => {
  if (file === '-') return asItIs(process.stdin);
  const stats = await statOf(file);
  if (stats.isDirectory()) throw new UsageError(`${file} is a directory: expected a file`);
  if (stats.isFile()) {
    const { lineCount, isInOrder } = lookThrough(file, binMs);
    if (!isInOrder) return { lines: asAsync(inTimeOrder(file, lineCount)), wasPutInOrder: true };
  }
  return asItIs(createReadStream(file, { highWaterMark: 1 << 20 }));
};

const asItIs = (input: AsyncIterable<string | Buffer>): Recording => ({
  lines: numbered(linesOf(input)),
  wasPutInOrder: false,
});

const statOf = async (file: string): Promise<Stats> => {
  try {
    return await stat(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
};

async function* asAsync(lines: Iterable<NumberedLines>): AsyncGenerator<NumberedLines> {
  yield* lines;
}

/** Shortest bin that is chosen where nobody says a length. */
const guessedBinMs = 60_000;

const lookThrough = (file: string, binMs: number | undefined) => {
  let lateness: ReturnType<typeof createLateness> | undefined;
  let lineCount = 0;
  visitLines(file, (text) => {
    lineCount += 1;
    lateness ??= createLateness(binMs ?? headerBinMs(text) ?? guessedBinMs);
    const timeMs = timeIn(text);
    if (timeMs !== undefined) lateness.look(sourceIn(text), timeMs);
  });
  return { lineCount, isInOrder: lateness?.isInOrder() ?? true };
};

const headerBinMs = (text: string): number | undefined => {
  const seconds = /"binSeconds"\s*:\s*(\d+)/.exec(text)?.[1];
  return seconds === undefined || Number(seconds) === 0 ? undefined : Number(seconds) * 1_000;
};

const sourceIn = (text: string): string =>
  (/"deviceId"\s*:\s*"([^"]*)"/.exec(text) ?? /"edgeId"\s*:\s*"([^"]*)"/.exec(text))?.[1] ?? '';
