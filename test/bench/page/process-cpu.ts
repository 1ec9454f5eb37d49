import { readdirSync, readFileSync } from 'node:fs';

type Seen = { pid: number; parent: number; group: number; ticks: number; childTicks: number };

/** proc(5): 14 to 17 are utime, stime, cutime, cstime, in ticks of 10 ms. */
const readProcess = (name: string): Seen[] => {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [own = 0, system = 0, child = 0, childSystem = 0] = fields.slice(11, 15);
    return [
      {
        pid: Number(name),
        parent: fields[1] ?? 0,
        group: fields[2] ?? 0,
        ticks: own + system,
        childTicks: child + childSystem,
      },
    ];
  } catch {
    return [];
  }
};

const readProcesses = (): Seen[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readProcess);

/** User and system time of a process group, with that of its ended processes. */
export const groupCpuMs = (group: number): number =>
  readProcesses()
    .filter((one) => one.group === group)
    .reduce((sum, { ticks, childTicks }) => sum + ticks + childTicks, 0) * 10;

/**
 * Follows a process and all it starts, whatever their groups, until `stop`. What a process used
 * between the last look and its end is missed: the sum is a little too small.
 */
export const followTree = (root: number, everyMs = 20) => {
  const ticks = new Map<number, number>([[root, 0]]);
  const look = (): void => {
    const all = readProcesses();
    for (let size = -1; size !== ticks.size; ) {
      size = ticks.size;
      for (const { pid, parent } of all) {
        if (ticks.has(parent) && !ticks.has(pid)) ticks.set(pid, 0);
      }
    }
    for (const one of all) {
      if (ticks.has(one.pid)) ticks.set(one.pid, Math.max(ticks.get(one.pid) ?? 0, one.ticks));
    }
  };
  const timer = setInterval(look, everyMs);
  return {
    stop(): number {
      clearInterval(timer);
      return [...ticks.values()].reduce((sum, one) => sum + one, 0) * 10;
    },
  };
};
