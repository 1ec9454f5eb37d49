import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verdict } from '#contract/verdict.ts';
import { deviceId } from '#test/collector/diagnose/recording.ts';
import { many, recordsOf, tell } from '#test/collector/diagnose/story.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const program = `
import { Command } from 'commander';
import { registerDiagnose } from '#cli/diagnose.ts';
import { UsageError } from '#cli/usage-error.ts';
const command = new Command();
registerDiagnose(command);
command.parseAsync(process.argv).catch((error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 70;
});`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-replay-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const write = async (name: string, lines: readonly unknown[]): Promise<string> => {
  const file = join(folder, name);
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  await writeFile(file, `${text.join('\n')}\n`);
  return file;
};

/** The command as a process of its own: exit code and both outputs as a shell sees them. */
const diagnose = async (...args: string[]) => {
  const command = ['--import', 'tsx', '--input-type=module', '-e', program, 'whyslow'];
  try {
    const { stdout, stderr } = await run(process.execPath, [...command, 'diagnose', ...args], {
      cwd: root,
      maxBuffer: 50_000_000,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
};

const header = {
  kind: 'header',
  version: 1,
  applications: [{ id: 'payroll', name: 'Payroll' }],
  devices: [{ id: deviceId, name: 'LAPTOP-7' }],
  edges: [{ id: 'edge-1', name: 'Amsterdam' }],
};
const story = { minutes: [...many(8), ...many(3, { world: { serverMs: 700 } })] };

describe('whyslow diagnose --replay --runs', () => {
  it('gives a verdict a result, the same bytes each time and the same as the fold', async () => {
    const file = await write('story.ndjson', [header, ...recordsOf(story)]);
    const [first, second] = await Promise.all([
      diagnose('--runs', '--replay', file),
      diagnose('--runs', '--replay', file),
    ]);
    expect(first.stderr).toBe('');
    expect(second.stdout).toBe(first.stdout);
    const verdicts = first.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Verdict);
    expect(verdicts).toHaveLength(11);
    expect(verdicts).toEqual(JSON.parse(JSON.stringify(tell(story))));
  });

  it('--last gives the last one only, --exit-code tells a script that it is slow', async () => {
    const file = await write('last.ndjson', [header, ...recordsOf(story)]);
    const { code, stdout } = await diagnose('--runs', '--replay', file, '--last', '--exit-code');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'slow', segment: 'server' });
  });

  it('a bad line ends it with the line and the field; --keep-going passes over it', async () => {
    const [good] = recordsOf(story);
    const file = await write('bad.ndjson', [
      good,
      { ...good, controlRttMs: -1 },
      'nonsense',
      '{"kind":"x"}',
    ]);
    const strict = await diagnose('--replay', file);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toContain('line 2: /controlRttMs:');
    const lenient = await diagnose('--replay', file, '--keep-going');
    expect(lenient.code).toBe(0);
    expect(lenient.stderr).toContain('line 3: /: not JSON');
    expect(lenient.stderr).toContain('line 4: /kind: no such record');
  });

  it('a file that is not there is said in a sentence', async () => {
    const { code, stderr } = await diagnose('--replay', join(folder, 'none.ndjson'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cannot read .*none\.ndjson/);
  });

  it('says of the example in the docs what the docs say', async () => {
    const page = await readFile(join(root, 'docs/replay.md'), 'utf8');
    const docs = page.slice(page.indexOf('## One device, run by run'));
    const example = /```ndjson\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
    const shown = /of Payroll:\n\n```\n([\s\S]*?)```/.exec(docs)?.[1] ?? 'nothing';
    const file = await write('example.ndjson', [example.trim()]);
    const { stdout } = await diagnose('--runs', '--replay', file, '--last', '--explain');
    expect(stdout).toContain(shown.trim());
  });
});
