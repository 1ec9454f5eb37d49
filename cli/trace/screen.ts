import type { WriteStream } from 'node:tty';
import type { Line } from './trace-lines.ts';

/** SGR numbers, ECMA-48 §8.3.117. */
const looks = { head: '1', plain: '0', quiet: '2', warn: '33' } as const satisfies Record<
  Line['look'],
  string
>;

const leftOut: Line = { text: '  …', look: 'quiet' };

/** In raw mode it is a key like any other. */
const ctrlC = '\u0003';
const escapeByte = 0x1b;

export type Screen = { show(lines: readonly Line[]): void; width(): number; close(): void };

/** The terminal's other page, given back as it was. Ctrl-C comes as the key `q`. */
export const openScreen = (output: WriteStream, onKey: (key: string) => void): Screen => {
  const input = process.stdin;
  const key = (bytes: Buffer) => {
    // Arrows and the like are several characters, and none of ours.
    if (bytes[0] === escapeByte) return;
    for (const one of bytes.toString()) onKey(one === ctrlC ? 'q' : one.toLowerCase());
  };
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', key);
    input.resume();
  }
  output.write('\u001b[?1049h\u001b[?25l\u001b[2J');
  let last: readonly Line[] = [];
  const draw = () => {
    const rows = Math.max(1, output.rows - 1);
    // What does not fit goes from the middle: the title and the end to end figures stay.
    const kept =
      last.length <= rows
        ? last
        : [...last.slice(0, Math.max(1, rows - 4)), leftOut, ...last.slice(-3)].slice(0, rows);
    const text = kept.map(
      ({ text: line, look }) => `\u001b[${looks[look]}m${line}\u001b[0m\u001b[K`,
    );
    output.write(`\u001b[H${text.join('\r\n')}\r\n\u001b[J`);
  };
  const redraw = () => {
    output.write('\u001b[2J');
    draw();
  };
  output.on('resize', redraw);
  return {
    width: () => output.columns,
    show(lines) {
      last = lines;
      draw();
    },
    close() {
      output.off('resize', redraw);
      output.write('\u001b[?25h\u001b[?1049l');
      if (input.isTTY) {
        input.off('data', key);
        input.setRawMode(false);
        input.pause();
      }
    },
  };
};
