import { execFile } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBinGuess } from '#cli/replay/bin-length.ts';
import { linesOf } from '#cli/replay/lines.ts';
import { readLine } from '#cli/replay/read-line.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { diagnose } from './diagnose-here.ts';
import { exampleFile, saidFile } from './replay-example.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-order-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const [header = '', ...records] = readFileSync(exampleFile, 'utf8').trimEnd().split('\n');
const senderOf = (line: string): string => {
  const { deviceId, edgeId } = JSON.parse(line) as { deviceId?: string; edgeId?: string };
  return deviceId ?? edgeId ?? '';
};
/** As a program would write it that takes one device after the other. */
const bySender = [...records].sort((a, b) => (senderOf(a) < senderOf(b) ? -1 : 1));

const fileOf = async (name: string, content: string | Buffer): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
};
const fileOfLines = (name: string, lines: readonly string[]) => fileOf(name, lines.join('\n'));

describe('a recording sorted by device', () => {
  it('is put in order of time when it is a file: the same verdicts, to the byte', async () => {
    const file = await fileOfLines('by-device.ndjson', [header, ...bySender]);
    const { out, aside, refused } = await diagnose('--replay', file);
    expect(refused).toBeUndefined();
    expect(aside).toBe(`${file} is not in order of time: it is put into it`);
    expect(out === readFileSync(saidFile, 'utf8')).toBe(true);
  });

  it('names a bad line by its place in the file', async () => {
    const bad = bySender.map((line, at) => (at === 40 ? '{"kind":"tunnel"}' : line));
    const file = await fileOfLines('bad.ndjson', [header, ...bad]);
    expect((await diagnose('--replay', file)).refused).toMatch(/^line 42: /);
  });

  it('is refused from standard input, which cannot be read twice', async () => {
    const file = await fileOfLines('piped.ndjson', [header, ...bySender]);
    const { code, stderr } = await fromStdin(file);
    expect(stderr).toMatch(/of 348 readings came more than 12 s after their bin had ended/);
    expect(stderr).toContain('Records come in order of time');
    expect(code).toBe(2);
  }, 60_000);
});

const fromStdin = (file: string): Promise<{ code: number | null; stderr: string }> =>
  new Promise((resolve) => {
    const binary = new URL('../../bin/whyslow.mjs', import.meta.url).pathname;
    const child = execFile(
      process.execPath,
      [binary, 'diagnose', '--replay', '-'],
      { maxBuffer: 50_000_000 },
      (error, _stdout, stderr) =>
        resolve({ code: (error?.code as number | undefined) ?? 0, stderr }),
    );
    createReadStream(file).pipe(child.stdin as NodeJS.WritableStream);
  });

describe('what is no recording is said so', () => {
  it.each([
    ['nothing', '', 'there is no measurement that is used in '],
    ['a header only', header, 'there is no measurement that is used in '],
    ['gzip', gzipSync(header), 'this is gzip: zcat FILE | whyslow diagnose --replay -'],
    ['UTF-16', Buffer.from(`\ufeff${header}`, 'utf16le'), 'this is UTF-16'],
    ['NaN', `${header}\n${records[0]?.replace('0.3', 'NaN')}`, 'line 2: /: not JSON: NaN is no'],
    ['no kind', '{"x":1}', 'line 1: /kind: no such record; expected one of header, result, tunnel'],
    [
      'a type for a kind',
      '{"kind":"http"}',
      'line 1: /kind: expected "kind":"result","type":"http"',
    ],
    [
      'a wrong type',
      '{"kind":"result","type":"x"}',
      'line 1: /type: no such result; expected one of',
    ],
    [
      'a wrong header',
      '{"kind":"header","version":1,"binSeconds":7200,"devices":[{"id":"x"}]}',
      'line 1: /binSeconds: expected a whole number from 1 to 3600, not 7200; /devices/0/id: expected RFC 9562',
    ],
    [
      'a negative duration',
      `${header}\n${records[0]?.replace('"queueMs":0.2', '"queueMs":-3')}`,
      'line 2: /queueMs: expected a number from 0 to 86400000 (milliseconds) or null, not -3',
    ],
    [
      'a JSON array',
      `[\n${records.join(',\n')}\n]`,
      'line 1: /: not JSON: one object a line is expected',
    ],
  ])('%s', async (name, content, says) => {
    const file = await fileOf(`${name}.ndjson`, content);
    expect((await diagnose('--replay', file)).refused).toContain(says);
  });

  it('a directory', async () => {
    expect((await diagnose('--replay', folder)).refused).toContain('is a directory');
  });

  it('a file without runs, where runs are asked for', async () => {
    const edges = records.filter((line) => line.startsWith('{"kind":"edge"'));
    const file = await fileOfLines('edges.ndjson', edges);
    expect((await diagnose('--runs', '--replay', file)).refused).toContain(
      'there is no http or page-load result in',
    );
  });
});

describe('lines', () => {
  const lines = async (...chunks: (string | Buffer)[]): Promise<string[]> => {
    const all: string[] = [];
    for await (const some of linesOf(chunksOf(chunks))) all.push(...some);
    return all;
  };
  async function* chunksOf(chunks: readonly (string | Buffer)[]) {
    yield* chunks;
  }

  it('are the same however they are cut, within a character too', async () => {
    const bytes = Buffer.from('\ufeff{"a":"é"}\n\n{"b":"😀"}\r\nlast');
    const each = Array.from(bytes, (byte) => Buffer.from([byte]));
    expect(await lines(bytes)).toEqual(['{"a":"é"}', '', '{"b":"😀"}\r', 'last']);
    expect((await lines(bytes.subarray(0, 3), ...each.slice(3))).join('\n')).toBe(
      (await lines(bytes)).join('\n'),
    );
  });
});

it('the same line twice does not make bins a minute long', () => {
  const every5Minutes = records
    .filter((line) => line.includes('"payroll-http"'))
    .slice(0, 1)
    .flatMap((line) => [line, line]);
  const guess = createBinGuess();
  for (const line of every5Minutes) {
    const read = readLine(line, 2);
    const reading = read.ok ? readingOf(read.value as TelemetryRecord) : undefined;
    expect(reading && guess.look(reading)).toBeUndefined();
  }
});
