import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { environment } from '#runtime/config.ts';
import type { Log } from '#runtime/log.ts';

/** What a script said: its answer, a name it has to know first, or why there is no answer. */
export type SandboxAnswer =
  | { kind: 'answer'; text: string }
  | { kind: 'need'; name: string }
  | { kind: 'problem'; problem: string; isDeadline: boolean };

export type Sandbox = {
  /** Takes the place of the script before; gives what is wrong with it, undefined: nothing. */
  compile(script: { text: string; own: readonly string[] }): Promise<string | undefined>;
  ask(question: {
    url: string;
    host: string;
    names: Readonly<Record<string, readonly string[]>>;
  }): Promise<SandboxAnswer>;
  /** Of the process, while there is one. */
  pid(): number | undefined;
  stop(): Promise<void>;
};

/** For one decision, compiling has ten times that. Inside the sandbox the interpreter stops itself. */
const deadlineMs = 100;
/** What does not stop itself – a built-in that loops – is killed this late (see `isOver` there). */
const killAfterMs = 5 * deadlineMs;
const startMs = 10_000;
/** Of the interpreter: a fifth of it does for the largest file allowed. */
const maxMemoryBytes = 32 * 1024 * 1024;
/** QuickJS's own count, which scripts have got past: only so that most hear of it in time. */
const interpreterBytes = maxMemoryBytes / 2;
const maxWaiting = 1_000;

type Order =
  | { kind: 'compile'; text: string; own: readonly string[] }
  | { kind: 'ask'; url: string; host: string; names: string };
type Report = {
  answer?: string;
  need?: string;
  problem?: string;
  isDeadline?: boolean;
  isSpent?: boolean;
};

/**
 * A PAC script in a process of its own, which is killed when it does not answer and replaced when it
 * has grown. It starts with the first script; orders are given one after the other, so that each has
 * its whole deadline.
 */
export const createSandbox = ({ log: parent }: { log: Log }): Sandbox => {
  const log = parent.child({ component: 'pac' });
  let script: { text: string; own: readonly string[] } | undefined;
  let child: ChildProcess | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let waitingCount = 0;
  let isStopped = false;

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    waitingCount += 1;
    const mine = turn.then(work).finally(() => {
      waitingCount -= 1;
    });
    turn = mine.catch(() => {});
    return mine;
  };
  const drop = (why: string) => {
    log.info({ pid: child?.pid, reason: why }, 'sandbox replaced');
    child?.kill('SIGKILL');
    child = undefined;
  };
  const order = async (given: Order, limitMs: number): Promise<Report> => {
    if (child === undefined) return { problem: 'no sandbox' };
    const report = await exchange(child, given, limitMs);
    if (report.isSpent === true) drop(report.problem ?? 'its memory has grown');
    return report;
  };
  /** The child with the script in it. */
  const ready = async (): Promise<string | undefined> => {
    if (isStopped) return 'stopped';
    if (child !== undefined && child.exitCode === null && child.signalCode === null) return;
    child = startChild();
    const started = await exchange(child, undefined, startMs);
    if (started.problem !== undefined) {
      drop(started.problem);
      return started.problem;
    }
    if (script === undefined) return undefined;
    const compiled = await order({ kind: 'compile', ...script }, 10 * killAfterMs);
    return compiled.problem;
  };

  return {
    compile: (given) =>
      inTurn(async () => {
        script = undefined;
        const problem = await ready();
        if (problem !== undefined) return problem;
        script = given;
        const limitMs = 10 * killAfterMs;
        return (await order({ kind: 'compile', ...given }, limitMs)).problem;
      }),
    async ask({ url, host, names }) {
      if (waitingCount >= maxWaiting) return problemOf('too many decisions are waiting');
      return inTurn(async () => {
        const problem = await ready();
        if (problem !== undefined) return problemOf(problem);
        const known = Object.keys(names).length === 0 ? '' : JSON.stringify(names);
        const question = { kind: 'ask', url, host, names: known } as const;
        const report = await order(question, killAfterMs);
        if (report.need !== undefined) return { kind: 'need', name: report.need };
        if (report.answer !== undefined) return { kind: 'answer', text: report.answer };
        return problemOf(report.problem ?? 'no answer', report.isDeadline);
      });
    },
    pid: () => child?.pid,
    async stop() {
      isStopped = true;
      const stopping = child;
      child = undefined;
      if (stopping === undefined || stopping.exitCode !== null) return;
      const ended = new Promise((resolve) => stopping.once('exit', resolve));
      stopping.kill('SIGKILL');
      await ended;
    },
  };
};

const problemOf = (problem: string, isDeadline = false): SandboxAnswer => ({
  kind: 'problem',
  problem,
  isDeadline,
});

const startChild = (): ChildProcess => {
  const entry = fileURLToPath(new URL('./sandbox-child.mjs', import.meta.url));
  const child = fork(entry, [JSON.stringify({ deadlineMs, maxMemoryBytes, interpreterBytes })], {
    // The heap beside the interpreter's memory, which the module itself bounds.
    execArgv: ['--max-old-space-size=64', '--max-semi-space-size=2'],
    // Its clock is the user's; nothing else of the environment is the script's business.
    env: Object.fromEntries(
      ['TZ', 'SystemRoot'].flatMap((name) => {
        const value = environment(name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // A send to a child that is just ending: its exit answers for it.
  child.on('error', () => {});
  return child;
};

/** One order and its report; with no order, the child's first word. A child that is silent is killed. */
const exchange = (
  child: ChildProcess,
  order: Order | undefined,
  limitMs: number,
): Promise<Report> =>
  new Promise((resolve) => {
    const settle = (report: Report) => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      resolve(report);
    };
    const onMessage = (message: unknown) => settle(message as Report);
    const onExit = () => settle({ problem: 'the sandbox ended', isSpent: true });
    const timer = setTimeout(() => {
      settle({ problem: `killed: silent for ${limitMs} ms`, isDeadline: true, isSpent: true });
    }, limitMs);
    child.once('message', onMessage).once('exit', onExit);
    if (order !== undefined) child.send(order, () => {});
  });
