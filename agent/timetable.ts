import { createHash } from 'node:crypto';
import type { ProbeDefinition } from '#contract/plan.ts';

export type Missed = {
  probeId: string;
  reason: 'overrun' | 'asleep';
  count: number;
  /** The probe's first run that is not among them. */
  untilAt: number;
};

/** One line of the plan and where it stands. Times are on the timetable's own line. */
export type Entry = { probe: ProbeDefinition; nextAt: number; isBusy: boolean };

/** A run that is to begin, and the time it was planned for. */
export type Due = { probe: ProbeDefinition; plannedAt: number };

/** What is to be done at a moment: runs that begin now, and runs that will not be. */
export type Moment = { due: Due[]; missed: Missed[] };

export type Timetable = {
  setPlan(probes: readonly ProbeDefinition[], now: number): void;
  advance(now: number, options: { wasAsleep: boolean }): Moment;
  /** The run of a probe ended, whatever it gave. */
  finish(probeId: string): void;
  nextAt(): number | undefined;
  entry(probeId: string): Entry | undefined;
  entries(): readonly Entry[];
};

/**
 * When each probe runs: every interval, at an offset of its own, so that neither the probes of a
 * device nor the devices of a fleet fire together. Knows no clock; every planned run comes out
 * either as due or as missed with its reason.
 */
export const createTimetable = (deviceId: string): Timetable => {
  let entries = new Map<string, Entry>();
  /** Also of probes that left the plan: one that comes back meanwhile waits for its old run. */
  const busy = new Set<string>();

  const plan = (probe: ProbeDefinition, now: number): Entry => {
    const kept = entries.get(probe.id);
    if (kept !== undefined && isSame(kept.probe, probe)) return kept;
    return { probe, nextAt: nextSlot(deviceId, probe, now), isBusy: busy.has(probe.id) };
  };

  const advanceEntry = (entry: Entry, now: number, wasAsleep: boolean, moment: Moment): void => {
    const { id: probeId, intervalMs } = entry.probe;
    const passedCount = Math.floor((now - entry.nextAt) / intervalMs) + 1;
    entry.nextAt += passedCount * intervalMs;
    if (wasAsleep) {
      const missed = { count: passedCount, untilAt: entry.nextAt };
      moment.missed.push({ probeId, reason: 'asleep', ...missed });
      return;
    }
    // More than one slot at once: this process did not get to run in time. No burst to catch up.
    const missedCount = passedCount - (entry.isBusy ? 0 : 1);
    const untilAt = entry.nextAt - (passedCount - missedCount) * intervalMs;
    if (missedCount > 0) {
      moment.missed.push({ probeId, reason: 'overrun', count: missedCount, untilAt });
    }
    if (entry.isBusy) return;
    entry.isBusy = true;
    busy.add(probeId);
    moment.due.push({ probe: entry.probe, plannedAt: entry.nextAt - intervalMs });
  };

  return {
    setPlan: (probes, now) => {
      entries = new Map(probes.map((probe) => [probe.id, plan(probe, now)]));
    },
    advance: (now, { wasAsleep }) => {
      const moment: Moment = { due: [], missed: [] };
      for (const entry of entries.values()) {
        if (entry.nextAt <= now) advanceEntry(entry, now, wasAsleep, moment);
      }
      return moment;
    },
    finish: (probeId) => {
      busy.delete(probeId);
      const entry = entries.get(probeId);
      if (entry !== undefined) entry.isBusy = false;
    },
    nextAt: () => {
      let next: number | undefined;
      for (const { nextAt } of entries.values()) next = Math.min(next ?? nextAt, nextAt);
      return next;
    },
    entry: (probeId) => entries.get(probeId),
    entries: () => [...entries.values()],
  };
};

const isSame = (one: ProbeDefinition, other: ProbeDefinition): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** The same offset for the same probe on the same device, always; a pair has one together. */
export const offsetMs = (deviceId: string, probe: ProbeDefinition): number => {
  const hash = createHash('sha256')
    .update(`${deviceId} ${probe.pair ?? probe.id}`)
    .digest();
  return hash.readUIntBE(0, 6) % probe.intervalMs;
};

const nextSlot = (deviceId: string, probe: ProbeDefinition, now: number): number => {
  const offset = offsetMs(deviceId, probe);
  const slot = Math.floor((now - offset) / probe.intervalMs) + 1;
  return slot * probe.intervalMs + offset;
};
