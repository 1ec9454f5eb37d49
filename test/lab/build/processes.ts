import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { labFolder, namespacePrefix } from './names.ts';

/** How long a program may take to end by itself before it is made to. */
const patienceMs = 1_500;

/** Processes whose network is one of these namespaces; not this one and those that wait for it. */
export const processesIn = (namespaces: readonly string[]): number[] => {
  const wanted = new Set(namespaces.flatMap((name) => inode(`/var/run/netns/${name}`)));
  return otherProcesses().filter((pid) =>
    inode(`/proc/${pid}/ns/net`).some((id) => wanted.has(id)),
  );
};

/** The shim, the services and what keeps a fault going: not in a namespace, but told of the folder. */
export const helpersOf = (lab: string): number[] =>
  otherProcesses().filter((pid) => {
    const words = wordsOf(pid);
    return (
      words.some((word) => /\/test\/lab\/(shim|services|faults\/keeper)\/main\.ts$/.test(word)) &&
      words.some((word) => word.startsWith(`${labFolder(lab)}/`))
    );
  });

/** Commands that a killed raise left behind: they would go on making what is being removed. */
export const buildersOf = (lab: string): number[] =>
  otherProcesses().filter((pid) => {
    const [command = '', ...words] = wordsOf(pid);
    return (
      ['ip', 'tc', 'bridge'].includes(basename(command)) &&
      words.some(
        (word) => word.startsWith(`${labFolder(lab)}/`) || word.startsWith(namespacePrefix(lab)),
      )
    );
  });

const wordsOf = (pid: number): string[] => readOr(`/proc/${pid}/cmdline`).split('\0');

export const isRunning = (pid: number): boolean => {
  const state = /\) (\S)/.exec(readOr(`/proc/${pid}/stat`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
};

/** Asks, waits, and then insists; also for what is stopped. */
export const endProcesses = async (pids: readonly number[]): Promise<void> => {
  for (const pid of pids) {
    signal(pid, 'SIGTERM');
    signal(pid, 'SIGCONT');
  }
  const deadlineMs = performance.now() + patienceMs;
  const left = () => pids.filter(isRunning);
  while (left().length > 0 && performance.now() < deadlineMs) await sleep(10);
  for (const pid of left()) signal(pid, 'SIGKILL');
  while (left().length > 0) await sleep(5);
};

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
};

const otherProcesses = (): number[] => {
  const own = new Set(ancestors());
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => !own.has(pid));
};

/** This process, its parent, and so on. */
const ancestors = (): number[] => {
  const found: number[] = [];
  let pid = process.pid;
  while (pid > 1) {
    found.push(pid);
    const stat = readOr(`/proc/${pid}/stat`);
    pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  }
  return found;
};

const inode = (path: string): string[] => {
  try {
    const { dev, ino } = statSync(path);
    return [`${dev}:${ino}`];
  } catch {
    return [];
  }
};

const readOr = (path: string, otherwise = ''): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
};
