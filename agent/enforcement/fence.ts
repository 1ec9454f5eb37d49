import { spawn } from 'node:child_process';
import { childEnvironment, environment } from '#runtime/config.ts';
import { describeStrictTable, type StrictContent, strictTableName } from './strict-table.ts';

/** Runs nft; a failure is its own words. */
export type RunNft = (args: readonly string[], input?: string) => Promise<string | undefined>;

export type Fence = {
  /** Whether the table is there, whoever made it; false also where nft cannot be asked. */
  isStanding(): Promise<boolean>;
  /** Puts it up or replaces it, as one transaction; why not, or undefined. */
  put(content: StrictContent): Promise<string | undefined>;
  takeAway(): Promise<string | undefined>;
};

/** The strict table in this machine's kernel. It outlives the agent: that is its point. */
export const createFence = (run: RunNft = runNft): Fence => ({
  isStanding: async () => (await run(['list', 'table', 'inet', strictTableName])) === undefined,
  put: (content) => run(['-f', '-'], describeStrictTable(content)),
  takeAway: () =>
    run(['-f', '-'], `table inet ${strictTableName} {\n}\ndelete table inet ${strictTableName}\n`),
});

const timeoutMs = 10_000;

const runNft: RunNft = (args, input) =>
  new Promise((resolve) => {
    if (process.platform !== 'linux') return resolve('strict enforcement is built on Linux only');
    let said = '';
    const child = spawn('nft', args, {
      stdio: ['pipe', 'ignore', 'pipe'],
      // A service's path may lack where Debian keeps it.
      env: childEnvironment({ PATH: `${environment('PATH') ?? ''}:/usr/sbin:/sbin` }),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.stdin.on('error', () => {});
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? 'nft is not installed' : error.message),
    );
    child.on('close', (code) =>
      resolve(
        code === 0 ? undefined : (said.trim().split('\n')[0] ?? '') || `nft ended with ${code}`,
      ),
    );
    child.stdin.end(input ?? '');
  });
