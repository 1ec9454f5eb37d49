import type { Decoy, Fault } from '#test/simulator/truth.ts';
import type { Finding } from '../finding.ts';
import { createAlarmCount, type FalseAlarm } from './alarms.ts';
import { type Judged, judge, matchOf, type Ticket } from './judge.ts';
import { createReservoir, drawOf } from './reservoir.ts';
import type { Networks } from './segments.ts';

/** What one method did in one world, before any sums. */
export type Sheet = {
  method: string;
  seed: number;
  /** Sampled tickets, by fault. */
  judged: readonly Judged[];
  falseAlarms: readonly FalseAlarm[];
  unknownOnsets: readonly FalseAlarm[];
  healthyHours: number;
  /** Bins from the first with a ticket of each fault to the end of the first right one; null: never. */
  detections: ReadonlyMap<Fault, number | null>;
  decoyCount: number;
  fallenFor: readonly { decoy: Decoy; finding: Finding; fromMs: number }[];
  closeMs: number;
};

const ticketsAFault = 20;

export const createScoresheet = (method: string, seed: number, networks: Networks) => {
  const samples = new Map<Fault, ReturnType<typeof createReservoir<Judged>>>();
  const detections = new Map<Fault, number | null>();
  const suffers = new Map<Fault, number>();
  const fallen = new Map<string, { decoy: Decoy; finding: Finding; fromMs: number }>();
  const decoys = new Set<string>();
  const alarms = createAlarmCount();
  let healthyHours = 0;
  let closeMs = 0;

  return {
    alarms,
    addTime: (ms: number): void => {
      closeMs += ms;
    },
    addHealthy: (hours: number): void => {
      healthyHours += hours;
    },
    addDecoys: (active: readonly Decoy[]): void => {
      for (const { id } of active) decoys.add(id);
    },
    fall: (decoy: Decoy, finding: Finding, fromMs: number): void => {
      if (!fallen.has(decoy.id)) fallen.set(decoy.id, { decoy, finding, fromMs });
    },
    /** Every ticket counts for detection; those from the second bin on may be sampled. */
    addTicket: (ticket: Ticket, finding: Finding | undefined, binMs: number): void => {
      const { fault } = ticket;
      noteDetection(ticket, finding, binMs);
      if (ticket.fromMs < fault.startMs + 2 * binMs) return;
      const known = samples.get(fault);
      const sample = known ?? createReservoir<Judged>(ticketsAFault);
      if (known === undefined) samples.set(fault, sample);
      const draw = drawOf(
        `${seed} ${fault.id} ${ticket.deviceId} ${ticket.appId} ${ticket.fromMs}`,
      );
      sample.offer(draw, () => judge(ticket, finding, networks));
    },
    finish: (): Sheet => ({
      method,
      seed,
      judged: [...samples.values()].flatMap((sample) => sample.values()),
      falseAlarms: alarms.named,
      unknownOnsets: alarms.unknown,
      healthyHours,
      detections: new Map([...detections].filter(([fault]) => samples.has(fault))),
      decoyCount: decoys.size,
      fallenFor: [...fallen.values()],
      closeMs,
    }),
  };

  function noteDetection(ticket: Ticket, finding: Finding | undefined, binMs: number): void {
    const { fault } = ticket;
    if (!detections.has(fault)) detections.set(fault, null);
    // From the first bin in which somebody suffers: a device that is off cannot tell.
    const sinceMs = suffers.get(fault) ?? ticket.fromMs;
    suffers.set(fault, sinceMs);
    if (detections.get(fault) !== null || finding?.state !== 'named') return;
    const [cause] = finding.causes;
    const match = cause === undefined ? undefined : matchOf(ticket, cause, networks);
    if (match?.fault !== fault || !match.isElementRight) return;
    detections.set(fault, Math.ceil((ticket.fromMs + binMs - sinceMs) / binMs));
  }
};
export type Scoresheet = ReturnType<typeof createScoresheet>;
