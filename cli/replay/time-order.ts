import { closeSync, openSync, readSync } from 'node:fs';
import { withoutMark } from './lines.ts';
import type { NumberedLines } from './numbered.ts';
import { visitLines } from './visit-lines.ts';

/**
 * The lines of a file in order of their time; of one time, in the file's order. A line without a
 * time (a header, a mistake) stays behind the one before it. What is kept of a line is where it is
 * and when: 24 bytes.
 */
export function* inTimeOrder(file: string, lineCount: number): Generator<NumberedLines> {
  const { startOf, timeOf } = indexOf(file, lineCount);
  const order = Uint32Array.from(timeOf.keys());
  order.sort((a, b) => (timeOf[a] ?? 0) - (timeOf[b] ?? 0) || a - b);
  const reader = openReader(file);
  try {
    for (let from = 0; from < lineCount; from += atOnce) {
      const lines = order.subarray(from, from + atOnce);
      const texts = Array.from(lines, (line) =>
        withoutMark(reader.read(startOf[line] ?? 0, startOf[line + 1] ?? 0)),
      );
      yield { texts, lineOf: (at) => (lines[at] ?? 0) + 1 };
    }
  } finally {
    reader.close();
  }
}

const atOnce = 512;

const indexOf = (file: string, lineCount: number) => {
  const startOf = new Float64Array(lineCount + 1);
  const timeOf = new Float64Array(lineCount);
  let line = 0;
  visitLines(file, (text, start, end) => {
    startOf[line] = start;
    startOf[line + 1] = end;
    timeOf[line] = timeIn(text) ?? (line === 0 ? 0 : (timeOf[line - 1] ?? 0));
    line += 1;
  });
  return { startOf, timeOf };
};

/** A line's time without reading it all: no key within a record has one of these names. */
export const timeIn = (text: string): number | undefined => {
  const found = /"(?:startedAt|at)"\s*:\s*(\d[\d.eE+]*)/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
};

const openReader = (file: string) => {
  const handle = openSync(file, 'r');
  let buffer = Buffer.allocUnsafe(1 << 16);
  return {
    read(start: number, end: number): string {
      const length = end - start;
      if (length > buffer.length) buffer = Buffer.allocUnsafe(2 * length);
      const count = readSync(handle, buffer, 0, length, start);
      return buffer.toString('utf8', 0, count).trimEnd();
    },
    close: () => closeSync(handle),
  };
};
