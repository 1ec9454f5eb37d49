import { spawn } from 'node:child_process';

/**
 * Runs lines of the `ip` command in one process, to the end even where one fails. Rejects with its
 * words; `mayFail`: what is to be removed may not be there. `family`: what `ip rule` is about, whatever
 * addresses its line has.
 */
export const configureLink = (
  lines: readonly string[],
  { family = 4, mayFail = false }: { family?: 4 | 6; mayFail?: boolean } = {},
): Promise<void> =>
  new Promise((resolve, reject) => {
    const of = family === 6 ? ['-6'] : [];
    const child = spawn('ip', [...of, '-force', '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.once('error', (error) => reject(new Error(`ip cannot be run: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0 || mayFail) return resolve();
      return reject(new Error(`ip: ${said.trim()}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(`${lines.join('\n')}\n`);
  });
