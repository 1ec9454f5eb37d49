import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../programs/program-file.ts';
import { processTree, signalAll } from './process-tree.ts';

type Target = { pid: number; startTicks: string };

/** Children come and go (a browser's all the time); reading all of /proc more often would be felt. */
const treeIsNewForMs = 1_000;

/** Stops and continues a program in turn until it or its time is over. */
export const runDutyCycle = (
  target: Target & { stoppedMs: number; runningMs: number },
  signal: AbortSignal,
): Promise<void> =>
  withGuard(async (stop, goOn) => {
    let tree: number[] = [];
    let readAtMs = Number.NEGATIVE_INFINITY;
    while (isAlive(target) && !signal.aborted) {
      if (performance.now() - readAtMs > treeIsNewForMs) {
        tree = processTree(target.pid);
        readAtMs = performance.now();
      }
      stop(tree);
      await pause(target.stoppedMs, signal);
      goOn(tree);
      await pause(target.runningMs, signal);
    }
  });

/** Holds a program, and what it may have started meanwhile, stopped. */
export const holdStopped = (target: Target, signal: AbortSignal): Promise<void> =>
  withGuard(async (stop, goOn) => {
    let tree: number[] = [];
    while (isAlive(target) && !signal.aborted) {
      tree = processTree(target.pid);
      stop(tree);
      await pause(treeIsNewForMs, signal);
    }
    goOn(tree);
  });

/**
 * Nothing may stay stopped, not even when this process is killed: a shell is told every pid before it
 * is stopped, and continues them all when its standard input ends, which is when this process does.
 */
const withGuard = async (
  work: (stop: (pids: number[]) => void, goOn: (pids: number[]) => void) => Promise<void>,
): Promise<void> => {
  const guard = spawn('sh', ['-c', continueAll], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  guard.stdin?.on('error', () => {});
  if (!(await isOnGuard(guard))) return;
  const known = new Set<number>();
  try {
    await work(
      (pids) => {
        for (const pid of pids) tell(guard, known, pid);
        signalAll(pids, 'SIGSTOP');
      },
      (pids) => signalAll([...pids].reverse(), 'SIGCONT'),
    );
  } finally {
    guard.stdin?.end();
  }
};

/**
 * Between fork and exec it still bears this process's name, and is ended with it when the lab goes down:
 * then nothing may be stopped any more.
 */
const isOnGuard = (guard: ChildProcess): Promise<boolean> =>
  new Promise((resolve) => {
    guard.stdout?.once('data', () => resolve(true));
    guard.once('exit', () => resolve(false)).once('error', () => resolve(false));
  });

const continueAll = 'echo; all=; while read -r pid; do all="$all $pid"; done; kill -CONT $all';

const tell = (guard: ChildProcess, known: Set<number>, pid: number): void => {
  if (known.has(pid)) return;
  known.add(pid);
  guard.stdin?.write(`${pid}\n`);
};

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => {});
