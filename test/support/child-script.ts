import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type ChildScript = {
  /** The next line it prints; rejects when it ends before. */
  line(): Promise<string>;
  /** SIGKILL: no handler of its own runs. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Its exit code, once it ends by itself. */
  ended(): Promise<number | null>;
};

/**
 * Runs a TypeScript file of ours as a process of its own, so that it can be killed. `within`: a
 * command and its arguments that run what follows them in its place (`ip netns exec …`).
 */
export const startChildScript = (
  file: string,
  args: readonly string[],
  within: readonly string[] = [],
): ChildScript => {
  const [command = '', ...rest] = [...within, process.execPath, '--import', 'tsx', file, ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-4_000);
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  void closed.then(() => process.off('exit', killNow));
  return {
    async line() {
      const { done, value } = await lines.next();
      if (done === true) throw new Error(`${file} ended early:\n${lastWords}`);
      return value;
    },
    async kill() {
      killNow();
      await closed;
    },
    ended: () => closed,
  };
};
