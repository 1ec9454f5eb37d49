import { existsSync, readFileSync } from 'node:fs';
import type { Contention } from './scenario.ts';

/** Begins to measure; what it gives tells the shares since then. */
export const startContention = (): (() => Contention) => {
  const before = reading();
  return () => {
    const now = reading();
    const passedMs = now.atMs - before.atMs;
    return {
      busyRatio: ratio(now.busyTicks - before.busyTicks, now.allTicks - before.allTicks),
      waitingRatio:
        now.waitingMs === null || before.waitingMs === null
          ? null
          : ratio(now.waitingMs - before.waitingMs, passedMs),
    };
  };
};

const reading = () => ({ atMs: performance.now(), ...ticks(), waitingMs: waitingMs() });

/** proc(5): user nice system idle iowait irq softirq steal, summed over all CPUs since boot. */
const ticks = (): { busyTicks: number; allTicks: number } => {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] =
    line.trim().split(/\s+/).slice(1).map(Number);
  const busyTicks = user + nice + system + irq + softirq + steal;
  return { busyTicks, allTicks: busyTicks + idle + iowait };
};

/** Pressure stall information: time in which at least one task waited for a CPU; absent on some kernels. */
const waitingMs = (): number | null => {
  const file = '/proc/pressure/cpu';
  if (!existsSync(file)) return null;
  const total = /^some .*total=(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1];
  return total === undefined ? null : Number(total) / 1_000;
};

const ratio = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.round((part / whole) * 1_000) / 1_000;
