import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { sleep } from '#runtime/backoff.ts';

/** Whoever can be killed, and comes up again. */
export type Member = {
  name: string;
  isUp(): boolean;
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
  const killNow = () => child?.kill('SIGKILL');
  process.once('exit', killNow);

  const run = async (): Promise<void> => {
    const started = spawn(process.execPath, ['--import', 'tsx', options.file, ...options.args()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    started.stderr.resume();
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
