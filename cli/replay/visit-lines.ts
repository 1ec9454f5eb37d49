import { closeSync, openSync, readSync } from 'node:fs';
import { longestLine, tooLong } from './lines.ts';

const chunkBytes = 1 << 20;

/** Every line of a file with where it begins and ends in bytes; as Latin-1, for a first look only. */
export const visitLines = (
  file: string,
  visit: (text: string, start: number, end: number) => void,
): void => {
  const handle = openSync(file, 'r');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  let rest = Buffer.alloc(0);
  let start = 0;
  let count = 0;
  try {
    for (;;) {
      const got = readSync(handle, chunk, 0, chunkBytes, null);
      if (got === 0) break;
      const bytes =
        rest.length === 0 ? chunk.subarray(0, got) : Buffer.concat([rest, chunk.subarray(0, got)]);
      let from = 0;
      for (let to = bytes.indexOf(10); to !== -1; to = bytes.indexOf(10, from)) {
        visit(bytes.toString('latin1', from, to), start, start + to + 1 - from);
        count += 1;
        start += to + 1 - from;
        from = to + 1;
      }
      rest = Buffer.from(bytes.subarray(from));
      if (rest.length > longestLine) throw tooLong(count + 1);
    }
    if (rest.length > 0) visit(rest.toString('latin1'), start, start + rest.length);
  } finally {
    closeSync(handle);
  }
};
