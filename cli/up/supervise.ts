import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { backoffMs } from '#runtime/backoff.ts';
import { childEnvironment } from '#runtime/config.ts';

export type Supervised = {
  name: string;
  /** Process id now; undefined while it is between two lives. */
  pid(): number | undefined;
  stop(): Promise<void>;
};

const stopWithinMs = 12_000;
/** Only a life this long resets the back-off. */
const settledMs = 30_000;

/**
 * Runs one of our programs as a process of its own and starts it again when it dies. Its standard
 * input is held open: when this process ends, however it ends, the child sees it and stops.
 */
export const supervise = (options: {
  name: string;
  arguments: readonly string[];
  logFile: string;
  /** It has a process id, or has none any more. */
  onChange?: () => void;
  onExit?: (reason: string) => void;
}): Supervised => {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 });
  let child: ChildProcess | undefined;
  let stopping = false;
  let quickDeaths = 0;
  let again: NodeJS.Timeout | undefined;

  const start = () => {
    const startedAt = performance.now();
    const log = openSync(options.logFile, 'a', 0o600);
    child = spawn(process.execPath, [...options.arguments], {
      stdio: ['pipe', log, log],
      env: childEnvironment({}),
      // Ctrl-C in a terminal goes to the whole group; the children are stopped by us, in order.
      detached: process.platform !== 'win32',
    });
    closeSync(log);
    child.on('error', () => {});
    options.onChange?.();
    child.once('exit', (code, signal) => {
      child = undefined;
      options.onChange?.();
      if (stopping) return;
      options.onExit?.(signal ?? `exit code ${code}`);
      quickDeaths = performance.now() - startedAt < settledMs ? quickDeaths + 1 : 1;
      again = setTimeout(
        start,
        quickDeaths === 1 ? 100 : backoffMs(quickDeaths, { firstMs: 250, capMs: 10_000 }),
      );
    });
  };
  start();

  return {
    name: options.name,
    pid: () => child?.pid,
    async stop() {
      stopping = true;
      clearTimeout(again);
      const running = child;
      if (!running) return;
      await new Promise<void>((resolve) => {
        const force = setTimeout(() => running.kill('SIGKILL'), stopWithinMs);
        running.once('exit', () => {
          clearTimeout(force);
          resolve();
        });
        running.kill('SIGTERM');
      });
    },
  };
};
