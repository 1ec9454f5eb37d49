import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Ticks since boot over all CPUs; `stealTicks` null where the system does not tell. */
export type CpuTimes = { totalTicks: number; idleTicks: number; stealTicks: number | null };

export const readCpuTimes = (): CpuTimes | null => {
  try {
    return parseProcStat(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return sumCpus();
  }
};

/** First line of proc(5) stat: user nice system idle iowait irq softirq steal guest guest_nice. */
export const parseProcStat = (text: string): CpuTimes | null => {
  const numbers = text.split('\n', 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  if (numbers.length < 4 || numbers.some(Number.isNaN)) return null;
  // Guest time is contained in user time: it is not added again.
  const totalTicks = numbers.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
  const idleTicks = (numbers[3] ?? 0) + (numbers[4] ?? 0);
  return { totalTicks, idleTicks, stealTicks: numbers[7] ?? null };
};

const sumCpus = (): CpuTimes | null => {
  const times = cpus().map((cpu) => cpu.times);
  if (times.length === 0) return null;
  const idleTicks = times.reduce((sum, cpu) => sum + cpu.idle, 0);
  const totalTicks = times.reduce(
    (sum, cpu) => sum + cpu.idle + cpu.user + cpu.nice + cpu.sys + cpu.irq,
    0,
  );
  return { totalTicks, idleTicks, stealTicks: null };
};

/** Share of the time between two readings in which a CPU did something; null when none passed. */
export const busyRatio = (before: CpuTimes | null, after: CpuTimes | null): number | null => {
  if (before === null || after === null) return null;
  const total = after.totalTicks - before.totalTicks;
  if (total <= 0) return null;
  const idle = after.idleTicks - before.idleTicks;
  return Math.min(1, Math.max(0, 1 - idle / total));
};
