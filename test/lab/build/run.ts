import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

export type Answer = { stdout: string; stderr: string; code: number };

/** Runs a command to its end; rejects with what it said when it fails. */
export const run = async (
  command: string,
  args: readonly string[],
  input = '',
): Promise<string> => {
  const answer = await ask(command, args, input);
  if (answer.code === 0) return answer.stdout;
  throw new Error(`${command} ${args.join(' ')}: ${answer.stderr.trim() || `exit ${answer.code}`}`);
};

/** As `run`, for commands that may fail. */
export const ask = (command: string, args: readonly string[], input = ''): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe' });
    const answer: Answer = { stdout: '', stderr: '', code: -1 };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      answer.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      answer.stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...answer, code: code ?? -1 }));
    // A command that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });

/** Lines for one `ip -batch`; far faster than a process each. */
export const ipBatch = (args: readonly string[], lines: readonly string[]): Promise<string> =>
  lines.length === 0
    ? Promise.resolve('')
    : run('ip', [...args, '-batch', '-'], `${lines.join('\n')}\n`);

/**
 * A batch in the machine's own namespace, from a file in the lab's folder: should this process be
 * killed, the command is known by it.
 */
export const ipBatchFile = async (path: string, lines: readonly string[]): Promise<void> => {
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  await run('ip', ['-batch', path]);
};

/** `work` for each item, `width` at a time; the first failure ends it. */
export const inParallel = async <T>(
  items: Iterable<T>,
  work: (item: T) => Promise<unknown>,
  width = 8,
): Promise<void> => {
  const waiting = [...items].values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of waiting) await work(item);
    }),
  );
};
