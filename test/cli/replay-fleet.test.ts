import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createNews } from '#cli/replay/news.ts';
import { numbered } from '#cli/replay/numbered.ts';
import { type ReplayCounts, replayFleet } from '#cli/replay/replay-fleet.ts';
import { check } from '#contract/check.ts';
import { SharedIncident, Verdict } from '#contract/verdict.ts';
import { exampleFile, exampleLines, saidFile } from './replay-example.ts';

type Options = Parameters<typeof replayFleet>[1];

const inBatches = async function* (lines: readonly string[]) {
  for (let at = 0; at < lines.length; at += 50) yield lines.slice(at, at + 50);
};

/** What the command would write, and what it counted. */
const replay = async (lines: readonly string[], options: Options = {}) => {
  const news = createNews();
  const said: string[] = [];
  const bins = replayFleet(numbered(inBatches(lines)), options);
  for (;;) {
    const step = await bins.next();
    if (step.done) return { said, counts: step.value as ReplayCounts };
    const { verdicts, incidents } = step.value;
    said.push(...[...verdicts, ...news.of(incidents)].map((each) => JSON.stringify(each)));
  }
};

const lines = exampleLines();
const [header = '', ...records] = lines;
const parsed = (line: string) => JSON.parse(line) as Record<string, unknown> & { at?: number };
const timeOf = (line: string): number => {
  const { startedAt, at } = parsed(line);
  return (startedAt ?? at) as number;
};
/** The same record at another time. */
const moved = (line: string, byMs: number): string => {
  const record = parsed(line);
  const field = 'startedAt' in record ? 'startedAt' : 'at';
  return JSON.stringify({ ...record, [field]: (record[field] as number) + byMs });
};
const isOf = (line: string, device: string): boolean => parsed(line)['deviceId'] === device;
const homeOnB = '00000000-0000-4000-8100-000000000006';

describe('the recording in examples/replay', () => {
  it('is what its script writes', () => {
    expect(readFileSync(exampleFile, 'utf8') === `${lines.join('\n')}\n`).toBe(true);
  });

  it('gives the verdicts beside it, to the byte', async () => {
    const binary = new URL('../../bin/whyslow.mjs', import.meta.url).pathname;
    const command = [binary, 'diagnose', '--replay', exampleFile];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, {
      maxBuffer: 50_000_000,
    });
    expect(stderr).not.toContain('late');
    expect(stdout === readFileSync(saidFile, 'utf8')).toBe(true);
  }, 60_000);

  it('gives the same bytes from standard input, elsewhere in the world', () => {
    const binary = new URL('../../bin/whyslow.mjs', import.meta.url).pathname;
    const elsewhere = { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' };
    const stdout = execFileSync(process.execPath, [binary, 'diagnose', '--replay', '-'], {
      input: readFileSync(exampleFile),
      env: { ...process.env, ...elsewhere },
      maxBuffer: 50_000_000,
    });
    expect(stdout.toString() === readFileSync(saidFile, 'utf8')).toBe(true);
  }, 60_000);

  it('a reader that has seen enough ends it quietly', async () => {
    const binary = new URL('../../bin/whyslow.mjs', import.meta.url).pathname;
    const child = spawn(process.execPath, [binary, 'diagnose', '--replay', exampleFile]);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }, 60_000);

  it('names the link, in the first bin of the fault, for all five devices behind it', async () => {
    const { said } = await replay(lines);
    const verdicts = said.map((line) => JSON.parse(line) as Verdict).filter(isVerdict);
    expect(new Set(verdicts.map(({ deviceId }) => deviceId)).size).toBe(5);
    expect(verdicts[0]?.at).toBe(Date.UTC(2026, 8, 1, 9, 10));
    for (const { state, causes } of verdicts) {
      expect(state).toBe('slow');
      expect(causes?.[0]?.element).toMatchObject({ from: '10.64.0.1', to: '10.64.1.1' });
    }
  });
});

const isVerdict = (said: Verdict | SharedIncident): said is Verdict => !('kind' in said);

describe('what a replay says', () => {
  it('keeps the contract, verdict and incident', async () => {
    const { said } = await replay(lines);
    for (const line of said) {
      const value = JSON.parse(line) as { kind?: string };
      expect(check(value.kind === 'incident' ? SharedIncident : Verdict, value).ok).toBe(true);
    }
  });

  it('does not depend on how lines are cut into chunks, nor on records a few seconds out of order', async () => {
    const { said } = await replay(lines);
    const shuffled = [...records].sort((a, b) => timeOf(a) + wobble(a) - timeOf(b) - wobble(b));
    expect(shuffled).not.toEqual(records);
    expect((await replay([header, ...shuffled])).said.join('\n') === said.join('\n')).toBe(true);
  });

  it('without a header has ids for names, and bins by how often probes run', async () => {
    const { said } = await replay(records);
    const verdict = JSON.parse(said[0] ?? '{}') as Verdict;
    expect(verdict.binMs).toBe(60_000);
    expect(verdict.sentence).toMatch(/^payroll is slow on 00000000-0000-4000-8100-/);
  });

  it('takes bins of five minutes where probes run every five', async () => {
    const slower = records.map((line) => moved(line, minuteOf(line) * 240_000));
    const { said } = await replay(slower);
    expect((JSON.parse(said[0] ?? '{}') as Verdict).binMs).toBe(300_000);
  });

  it('takes the length it is given', async () => {
    const { said } = await replay(lines, { binMs: 120_000 });
    for (const line of said) {
      const value = JSON.parse(line) as Verdict;
      if (isVerdict(value)) expect(value.binMs).toBe(120_000);
    }
  });
});

const startMs = timeOf(records[0] ?? '');
const minuteOf = (line: string): number => Math.floor((timeOf(line) - startMs) / 60_000);
/** Up to five seconds, by what is in the line. */
const wobble = (line: string): number => (line.length % 6) * 1_000;

/** Of the verdicts: about whom, when, and what is blamed. */
const shortOf = (said: readonly string[]): string[] =>
  said
    .map((line) => JSON.parse(line) as Verdict)
    .filter(isVerdict)
    .map(({ deviceId, at, segment }) => `${deviceId} ${at} ${segment}`);

describe('clocks that are wrong', () => {
  it('one device whose clock is ahead closes nobody else’s bins', async () => {
    const { said } = await replay(lines);
    const ahead = lines.map((line) => (isOf(line, homeOnB) ? moved(line, 240_000) : line));
    const replayed = await replay(ahead);
    expect(replayed.counts.late).toBe(0);
    expect(shortOf(replayed.said)).toEqual(shortOf(said));
  });

  it('records far too late are counted, and change no verdict that was given', async () => {
    const late = records.filter((line) => isOf(line, homeOnB) && minuteOf(line) === 5);
    const others = lines.filter((line) => !late.includes(line));
    const { said, counts } = await replay([...others, ...late]);
    expect(counts.late).toBe(late.length);
    expect(shortOf(said)).toEqual(shortOf((await replay(others)).said));
  });

  it('a record of another month is refused by line and field', async () => {
    const wrong = moved(records.at(-1) ?? '', 90 * 86_400_000);
    await expect(replay([...lines, wrong])).rejects.toThrow(
      `line ${lines.length + 1}: /startedAt: 90 days after what came before it`,
    );
    const bad: number[] = [];
    const { said } = await replay([...lines, wrong], { onBadLine: ({ line }) => bad.push(line) });
    expect(bad).toEqual([lines.length + 1]);
    expect(shortOf(said)).toEqual(shortOf((await replay(lines)).said));
  });
});
