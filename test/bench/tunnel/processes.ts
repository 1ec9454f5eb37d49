import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** One process of the bench. It is asked in lines of JSON and answers in lines of JSON. */
export type Role = {
  pid: number;
  ask<Answer>(question: object): Promise<Answer>;
  /** Its standard input closes, which it takes for its end. */
  end(): void;
};

export type Processes = {
  /** Ends with the bench; what it says on standard error is shown when it fails to start. */
  run(program: string, args: readonly string[], options?: RunOptions): number;
  /** A script of this folder; its first line is its first answer. */
  role(script: string, settings: object, options?: RunOptions): Promise<Role & { first: unknown }>;
  /** To be done once all processes have ended. */
  atEnd(undo: () => void): void;
  stop(): Promise<void>;
};

export type RunOptions = { namespace?: string | undefined; env?: Record<string, string> };

export const createProcesses = (): Processes => {
  const children: ChildProcess[] = [];
  const start = (program: string, args: readonly string[], { namespace, env }: RunOptions) => {
    const [command, given] =
      namespace === undefined
        ? [program, args]
        : ['ip', ['netns', 'exec', namespace, program, ...args]];
    const child = spawn(command, given, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    child.stdin.on('error', () => {});
    children.push(child);
    let told = '';
    child.stderr.on('data', (chunk) => {
      told = `${told}${chunk}`.slice(-4_000);
    });
    child.once('exit', (code) => {
      if (code !== null && code !== 0 && !isStopping) {
        process.stderr.write(`${program} ended with ${code}:\n${told}\n`);
      }
    });
    return child;
  };
  const undo: (() => void)[] = [];
  let isStopping = false;

  return {
    run(program, args, options = {}) {
      const child = start(program, args, options);
      child.stdout?.resume();
      return child.pid ?? 0;
    },
    async role(script, settings, options = {}) {
      const args = ['--expose-gc', '--import', 'tsx', `${import.meta.dirname}/${script}`];
      const child = start(process.execPath, [...args, JSON.stringify(settings)], options);
      const nextLine = linesOf(child);
      const first = await nextLine();
      return {
        pid: child.pid ?? 0,
        first,
        async ask<Answer>(question: object): Promise<Answer> {
          const answer = nextLine();
          child.stdin?.write(`${JSON.stringify(question)}\n`);
          const said = (await answer) as Answer | { error: string };
          if (typeof said === 'object' && said !== null && 'error' in said) {
            throw new Error(String(said.error));
          }
          return said as Answer;
        },
        end: () => void child.stdin?.end(),
      };
    },
    atEnd: (one) => void undo.push(one),
    async stop() {
      isStopping = true;
      for (const child of children) {
        for (const pid of treeOf([child.pid ?? 0]).reverse()) endProcess(pid);
      }
      await Promise.all(
        children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')),
      );
      for (const one of undo) one();
    },
  };
};

/** Lines of a child, one a question; asking after its end fails instead of waiting. */
const linesOf = (child: ChildProcess): (() => Promise<unknown>) => {
  if (child.stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: child.stdout });
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let hasEnded = false;
  const ended = () => new Error(`${child.spawnargs.join(' ').slice(0, 120)} has ended`);
  lines.on('line', (line) => waiting.shift()?.resolve(line));
  lines.on('close', () => {
    hasEnded = true;
    for (const { reject } of waiting.splice(0)) reject(ended());
  });
  return async () => {
    if (hasEnded) throw ended();
    const line = await new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }));
    return JSON.parse(line);
  };
};

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
};

/** The processes and all that descend from them; `ip netns exec` becomes its program. */
export const treeOf = (pids: readonly number[]): number[] => {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(Number(name));
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const visit = (pid: number) => {
    found.push(pid);
    for (const child of childrenOf.get(pid) ?? []) visit(child);
  };
  for (const pid of pids) if (pid > 0) visit(pid);
  return found;
};

/** User and system CPU seconds of the processes and their descendants (ticks of 10 ms). */
export const cpuSeconds = (pids: readonly number[]): number =>
  treeOf(pids).reduce((total, pid) => {
    const fields = statOf(pid);
    // With what children that have ended took: a server may fork for every connection.
    const ticks = [11, 12, 13, 14].map((at) => Number(fields?.[at] ?? 0));
    return total + ticks.reduce((sum, each) => sum + each, 0) / 100;
  }, 0);

export const residentBytes = (pids: readonly number[]): number =>
  treeOf(pids).reduce((total, pid) => total + Number(statOf(pid)?.[21] ?? 0) * 4_096, 0);

/** Fields of /proc/PID/stat from the state on (proc(5) counts it as the third). */
const statOf = (pid: number): string[] | undefined => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
};

export const waitForPort = async (port: number, host = '127.0.0.1'): Promise<void> => {
  for (let i = 0; i < 200; i++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, host, () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on ${host}:${port} after 10 s`);
};
