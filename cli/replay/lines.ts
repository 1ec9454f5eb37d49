import { UsageError } from '../usage-error.ts';

/** A record is a few kilobytes, a header of 100,000 devices some twenty megabytes. */
const longestLine = 64 * 1024 * 1024;

/** The lines of a stream, a chunk's at a time: one turn of the event loop each would cost more than they. */
export async function* linesOf(input: AsyncIterable<string | Buffer>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = '';
  let count = 0;
  for await (const chunk of input) {
    const text =
      rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }));
    const lines = text.split('\n');
    rest = lines.pop() ?? '';
    count += lines.length;
    if (rest.length > longestLine) {
      throw new UsageError(`line ${count + 1}: longer than 64 MB: is this NDJSON?`);
    }
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}
