import { readdirSync } from 'node:fs';
import { uptime } from 'node:os';
import { readTextOrNothing } from './read-text.ts';

/**
 * CPU time since it was made, of this process and of those it started, and they in turn: the path
 * engine's and the browser's take most of a probe's work. Elsewhere than on Linux this process alone.
 * Of a child that ends its time since the last question is lost.
 */
export const startFamilyCpuMeter = (): (() => number) => {
  const begunTicks = uptime() * ticksPerSecond;
  const known = new Map<number, Usage>();
  let childrenMs = 0;

  const look = (isFirst: boolean): void => {
    const pids = new Set([...known.keys(), ...descendantsOf(process.pid)]);
    for (const pid of pids) {
      const now = readUsage(pid);
      const before = known.get(pid);
      if (now === undefined) {
        known.delete(pid);
        continue;
      }
      known.set(pid, now);
      // The kernel may leave one out of its list for once: what it did before the meter is not counted.
      if (isFirst || (before === undefined && now.startedTicks < begunTicks)) continue;
      // Else another process has the id now.
      const usedTicks = before?.startedTicks === now.startedTicks ? before.usedTicks : 0;
      childrenMs += ((now.usedTicks - usedTicks) * 1_000) / ticksPerSecond;
    }
  };
  look(true);
  const ownMs = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  };
  const begunMs = ownMs();
  return () => {
    look(false);
    return ownMs() - begunMs + childrenMs;
  };
};

/** USER_HZ: what Linux tells times in, whatever the kernel's own tick is. */
const ticksPerSecond = 100;

type Usage = { startedTicks: number; usedTicks: number };

/** proc(5) stat: behind the name, which may hold anything, are utime (14), stime (15), starttime (22). */
const readUsage = (pid: number): Usage | undefined => {
  const text = readTextOrNothing(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system, startedTicks] = [11, 12, 19].map((at) => Number(fields[at]));
  if (user === undefined || system === undefined || startedTicks === undefined) return undefined;
  return Number.isNaN(startedTicks) ? undefined : { startedTicks, usedTicks: user + system };
};

/** A child stands with the thread that started it. */
const descendantsOf = (pid: number): number[] =>
  threadsOf(pid)
    .flatMap((thread) => readTextOrNothing(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((child) => child.trim() !== '')
    .map(Number)
    .flatMap((child) => [child, ...descendantsOf(child)]);

const threadsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};
