import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupPrefix } from '../../build/names.ts';

/** cgroup v1; a machine with v2 only has none of it. */
const controller = '/sys/fs/cgroup/cpu';
/** The kernel's own default: a program out of time stands still for the rest of it. */
const periodUs = 100_000;

export const canLimitCpu = (): boolean => existsSync(`${controller}/cpu.cfs_quota_us`);

/** Processes and what they start from now on share so much of one CPU. */
export const limitCpu = async (
  lab: string,
  program: string,
  pids: readonly number[],
  ratio: number,
): Promise<void> => {
  const group = groupOf(lab, program);
  mkdirSync(group, { recursive: true });
  writeFileSync(`${group}/cpu.cfs_period_us`, String(periodUs));
  writeFileSync(`${group}/cpu.cfs_quota_us`, String(Math.round(periodUs * ratio)));
  for (const pid of pids) moveTo(group, pid);
};

export const unlimitCpu = async (lab: string, program: string): Promise<void> => {
  const group = groupOf(lab, program);
  if (!existsSync(group)) return;
  for (let attempt = 1; ; attempt += 1) {
    for (const pid of membersOf(group)) moveTo(controller, pid);
    try {
      return rmdirSync(group);
    } catch (error) {
      // One forked while it was moved, or the kernel has not let go yet.
      if (attempt === 50) throw error;
      await sleep(20);
    }
  }
};

/** The lab takes away what begins so when it goes down. */
const groupOf = (lab: string, program: string): string =>
  `${controller}/${cgroupPrefix(lab)}${program}`;

const membersOf = (group: string): number[] =>
  readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);

const moveTo = (group: string, pid: number): void => {
  try {
    writeFileSync(`${group}/cgroup.procs`, String(pid));
  } catch {
    // It has ended.
  }
};
