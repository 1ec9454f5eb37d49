import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Keeps a server and its user running side by side; both are begun again when they end. */
export const keepTraffic = async (
  { serve, use }: { serve: readonly string[]; use: readonly string[] },
  signal: AbortSignal,
): Promise<void> => {
  await Promise.all([repeat(serve, signal), repeat(use, signal)]);
};

const repeat = async (command: readonly string[], signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const child = start(command);
    const end = () => child.kill('SIGKILL');
    signal.addEventListener('abort', end, { once: true });
    await once(child, 'exit').catch(() => {});
    signal.removeEventListener('abort', end);
    await sleep(200, undefined, { signal }).catch(() => {});
  }
};

/** A child that ends with this process even when that is killed (prctl(2), kept over exec). */
const endsWithUs = ['setpriv', '--pdeathsig', 'KILL'] as const;

const start = (command: readonly string[]): ChildProcess => {
  const [program, ...args] = [...endsWithUs, ...command];
  return spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
};
