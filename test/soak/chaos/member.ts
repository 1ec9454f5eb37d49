import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { sleep } from '#runtime/backoff.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Whoever can be killed, and comes up again. */
export type Member = {
  name: string;
  isUp(): boolean;
  /** The end of what it wrote to stderr: why it is not up. */
  lastWords?(): string;
  /** `kill -9`; resolves once it is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
};

/** A program of ours, started again whenever it ends by itself, as a supervisor would. */
export const superviseProgram = (options: {
  name: string;
  file: string;
  args: () => readonly string[];
  /** Each line it prints; true: with this one it is up. */
  onLine: (line: string) => boolean;
  /** For one that says nothing. */
  upAfterMs?: number;
}) => {
  let child: ChildProcess | undefined;
  let isUp = false;
  let wanted = false;
  let lastWords = '';
  const killNow = () => child?.kill('SIGKILL');
  process.once('exit', killNow);

  const run = async (): Promise<void> => {
    const started = spawn(process.execPath, ['--import', 'tsx', options.file, ...options.args()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-2_000);
    });
    createInterface({ input: started.stdout }).on('line', (line) => {
      if (options.onLine(line)) isUp = true;
    });
    const timer = setTimeout(() => {
      if (options.upAfterMs !== undefined) isUp = true;
    }, options.upAfterMs ?? 0);
    await new Promise((resolve) => started.once('close', resolve));
    clearTimeout(timer);
    isUp = false;
  };

  let running = Promise.resolve();
  const runForEver = async () => {
    while (wanted) {
      await run();
      if (wanted) await sleep(300);
    }
  };

  return {
    name: options.name,
    isUp: () => isUp,
    lastWords: () => lastWords,
    signal: (signal: NodeJS.Signals) => child?.kill(signal),
    async kill(): Promise<void> {
      wanted = false;
      killNow();
      await running;
    },
    /** As its user would: it tells and ships what it can. */
    async end(): Promise<void> {
      wanted = false;
      child?.kill('SIGTERM');
      await running;
    },
    async start(): Promise<void> {
      wanted = true;
      running = runForEver();
    },
    forget: () => process.off('exit', killNow),
  };
};

/** Waits for all; an error says who is not up, with the end of what it wrote. */
export const waitUntilUp = async (members: readonly Member[], timeoutMs: number): Promise<void> => {
  await waitUntil(() => members.every((one) => one.isUp()), timeoutMs).catch(() => {
    const down = members
      .filter((one) => !one.isUp())
      .map((one) => `${one.name}: ${one.lastWords?.() ?? ''}`);
    throw new Error(`not up after ${timeoutMs} ms: ${down.join('\n')}`);
  });
};

/** A server of test/support, which waits until it serves. */
export const serverMember = (
  name: string,
  server: { kill(): Promise<void>; restart(): Promise<void> },
): Member => {
  let isUp = true;
  return {
    name,
    isUp: () => isUp,
    async kill(): Promise<void> {
      isUp = false;
      await server.kill();
    },
    async start(): Promise<void> {
      // What the dead one left (shared memory, a port) is gone after a moment.
      for (;;) {
        try {
          await server.restart();
          break;
        } catch {
          await sleep(500);
        }
      }
      isUp = true;
    },
  };
};
