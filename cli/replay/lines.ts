import { StringDecoder } from 'node:string_decoder';
import { UsageError } from '../usage-error.ts';

/** A record is a few kilobytes, a header of 100,000 devices some twenty megabytes. */
export const longestLine = 64 * 1024 * 1024;

/** The lines of a stream, a chunk's at a time: one turn of the event loop each would cost more than they. */
export async function* linesOf(input: AsyncIterable<string | Buffer>): AsyncGenerator<string[]> {
  const decoder = new StringDecoder('utf8');
  let rest: string[] = [];
  let restLength = 0;
  let count = 0;
  let isFirst = true;
  for await (const chunk of input) {
    let text = typeof chunk === 'string' ? chunk : decoder.write(chunk);
    if (isFirst && typeof chunk !== 'string') refusePacked(chunk);
    if (isFirst) text = withoutMark(text);
    isFirst = false;
    const lines = text.split('\n');
    // Joined once, when its end has come: a long line would be copied at every chunk.
    rest.push(lines[0] ?? '');
    restLength += lines[0]?.length ?? 0;
    if (restLength > longestLine) {
      throw tooLong(count + 1);
    }
    if (lines.length === 1) continue;
    lines[0] = rest.join('');
    rest = [lines.pop() ?? ''];
    restLength = rest[0]?.length ?? 0;
    count += lines.length;
    yield lines;
  }
  const last = rest.join('') + decoder.end();
  if (last !== '') yield [last];
}

export const tooLong = (line: number): UsageError =>
  new UsageError(`line ${line}: longer than 64 MB: is this NDJSON?`);

/** A byte order mark, as some editors write it. */
export const withoutMark = (text: string): string =>
  text.startsWith('\ufeff') ? text.slice(1) : text;

const packed = [
  { magic: [0x1f, 0x8b], says: 'this is gzip: zcat FILE | whyslow diagnose --replay -' },
  {
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    says: 'this is Zstandard: zstdcat FILE | whyslow diagnose --replay -',
  },
  { magic: [0xff, 0xfe], says: 'this is UTF-16: NDJSON is UTF-8' },
  { magic: [0xfe, 0xff], says: 'this is UTF-16: NDJSON is UTF-8' },
];

const refusePacked = (chunk: Buffer): void => {
  const known = packed.find(({ magic }) => magic.every((byte, at) => chunk[at] === byte));
  if (known !== undefined) throw new UsageError(known.says);
};
