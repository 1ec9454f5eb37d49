import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Someone else holds it; the message says who and what to do. */
export class LockHeld extends Error {
  override name = 'LockHeld';
}

/** `what` and `fix` are words for the message. */
type LockOptions = { path: string; what: string; fix: string };

/**
 * Keeps a data folder or file to one owner, within this process too, by a lock file at `path`. The
 * lock names its holder by pid and start time, so that one left by a killed process, or one whose
 * pid was given to another, does not hold. It cannot see across machines or pid namespaces: data
 * on a shared volume is the operator's to keep apart.
 */
export const takeLock = (options: LockOptions): { release(): void } => {
  const { path } = options;
  const mine = JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid) });
  if (!take(path, mine)) {
    removeStale(options);
    if (!take(path, mine)) throw held(options, readOr(path, ''));
  }
  return {
    release(): void {
      if (readOr(path, '') === mine) rmSync(path, { force: true });
    },
  };
};

/** Atomic: the link fails where the name exists, and its content is whole from the first moment. */
const take = (path: string, content: string): boolean => {
  const draft = `${path}.${process.pid}.${performance.now()}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
};

const removeStale = (options: LockOptions): void => {
  const { path } = options;
  const seen = readOr(path, '');
  if (isAlive(seen)) throw held(options, seen);
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // another starter was faster
  }
  // Between reading and renaming another starter may have taken it: then it goes back.
  if (readOr(aside, '') !== seen) take(path, readOr(aside, ''));
  rmSync(aside, { force: true });
};

const isAlive = (content: string): boolean => {
  try {
    const holder = JSON.parse(content) as { pid: number; startedAt: string };
    process.kill(holder.pid, 0);
    return startOf(holder.pid) === holder.startedAt;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Field 22 of /proc/pid/stat, in clock ticks since boot; '' where there is no /proc. */
const startOf = (pid: number): string => {
  const stat = readOr(`/proc/${pid}/stat`, '');
  // The second field is the program's name in brackets and may hold anything, brackets included.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
};

const readOr = (path: string, otherwise: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
};

const held = ({ what, fix }: LockOptions, holder: string): LockHeld => {
  const pid = /"pid":(\d+)/.exec(holder)?.[1] ?? 'unknown';
  return new LockHeld(`${what} is in use by process ${pid}: stop it first, or ${fix}`);
};
