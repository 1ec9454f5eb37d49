import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import type { DeviceBurst } from '#contract/burst.ts';
import { check } from '#contract/check.ts';
import { writeDurably } from '#runtime/durable-file.ts';

/** What bursts have cost the device. Kept over restarts: a day's budget is a day's. */
const Spent = Type.Object({
  /** Days since 1970, UTC. */
  day: Type.Number(),
  bytes: Type.Number({ minimum: 0 }),
  cpuMs: Type.Number({ minimum: 0 }),
  /** When those of the last hour began. */
  begunAt: Type.Array(Type.Number(), { maxItems: 1_000 }),
});
export type Spent = Static<typeof Spent>;

export type BurstLimits = Pick<DeviceBurst, 'perHour' | 'bytesPerDay' | 'cpuMsPerDay'>;

const hourMs = 3_600_000;
const dayMs = 86_400_000;

export const nothingSpent: Spent = { day: 0, bytes: 0, cpuMs: 0, begunAt: [] };

/** As it stands now. A clock that was set back by a day starts no new one; one put right after years does. */
export const spentAt = (spent: Spent, nowMs: number): Spent => {
  const today = Math.floor(nowMs / dayMs);
  const day = spent.day === today + 1 ? spent.day : today;
  const begunAt = spent.begunAt.filter((at) => Math.abs(nowMs - at) < hourMs);
  return day === spent.day ? { ...spent, begunAt } : { day, bytes: 0, cpuMs: 0, begunAt };
};

/** Why no burst may begin, or go on; undefined: it may. */
export const whyOver = (
  { bytes, cpuMs }: Spent,
  limits: Pick<BurstLimits, 'bytesPerDay' | 'cpuMsPerDay'>,
): string | undefined => {
  if (bytes >= limits.bytesPerDay) return `the day’s ${limits.bytesPerDay / 1e6} MB are used up`;
  if (cpuMs >= limits.cpuMsPerDay) {
    return `the day’s ${limits.cpuMsPerDay / 1e3} s of CPU time are used up`;
  }
  return undefined;
};

export const whyNotBegin = (spent: Spent, limits: BurstLimits): string | undefined =>
  spent.begunAt.length >= limits.perHour
    ? `${limits.perHour} within the hour already`
    : whyOver(spent, limits);

export type Allowance = {
  spent(nowMs: number): Spent;
  /** On disk before the burst begins, so that restarts do not make it more. */
  begin(nowMs: number): Promise<void>;
  charge(cost: { bytes: number; cpuMs: number }, nowMs: number): void;
  /** Writes what was charged. */
  settle(): Promise<void>;
};

export const openAllowance = async (folder: string): Promise<Allowance> => {
  const file = join(folder, 'bursts.json');
  let kept = await readSpent(file);
  let written = Promise.resolve();
  const save = (): Promise<void> => {
    const text = JSON.stringify(kept);
    written = written.catch(() => {}).then(() => writeDurably(file, text));
    return written;
  };
  return {
    spent: (nowMs) => spentAt(kept, nowMs),
    begin(nowMs) {
      const now = spentAt(kept, nowMs);
      kept = { ...now, begunAt: [...now.begunAt, nowMs] };
      return save();
    },
    charge({ bytes, cpuMs }, nowMs) {
      const now = spentAt(kept, nowMs);
      kept = { ...now, bytes: now.bytes + bytes, cpuMs: now.cpuMs + cpuMs };
    },
    settle: save,
  };
};

const readSpent = async (file: string): Promise<Spent> => {
  try {
    const read = check(Spent, JSON.parse(await readFile(file, 'utf8')));
    if (read.ok) return read.value;
  } catch {
    // None yet, or damaged: the day begins anew.
  }
  return nothingSpent;
};
