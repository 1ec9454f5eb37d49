import { failedSegment } from './diagnose/failing.ts';
import { groupBy } from './diagnose/group.ts';
import { type EvidencePoints, runEndMs, type Subject } from './diagnose/input.ts';
import type { Point } from './store/schema.ts';

/** Runs that failed, heard of only when others had succeeded again. */
export type PastOutage = {
  fromMs: number;
  /** End of the last failed run: a verdict at that time is about it. */
  toMs: number;
  endedAtMs: number;
};

/** As many as a verdict needs. */
const leastRuns = 2;
/** Of one device and application at a time: a line that flaps is one problem. */
const most = 8;

/**
 * Outages of a device that could tell nobody meanwhile: rows of failed runs with a good one behind them.
 * Those of several probes that overlap are one. Oldest first.
 */
export const pastOutages = (
  { http }: Pick<EvidencePoints, 'http'>,
  { deviceId, appId }: Pick<Subject, 'deviceId' | 'appId'>,
): PastOutage[] => {
  const own = http.filter(({ tags }) => tags.device === deviceId && tags.app === appId);
  const rows = [...groupBy(own, ({ tags }) => tags.probe).values()].flatMap(rowsOf);
  return together(rows).slice(-most);
};

const rowsOf = (runs: readonly Point<'http'>[]): PastOutage[] => {
  const rows: PastOutage[] = [];
  let failed: Point<'http'>[] = [];
  for (const run of [...runs].sort((a, b) => a.timeMs - b.timeMs)) {
    if (run.fields.ok !== 1) {
      if (failedSegment(run) !== null) failed.push(run);
      continue;
    }
    const [first, last] = [failed[0], failed.at(-1)];
    if (first && last && failed.length >= leastRuns) {
      rows.push({ fromMs: runEndMs(first), toMs: runEndMs(last), endedAtMs: runEndMs(run) });
    }
    failed = [];
  }
  return rows;
};

const together = (rows: readonly PastOutage[]): PastOutage[] => {
  const merged: PastOutage[] = [];
  for (const row of [...rows].sort((a, b) => a.fromMs - b.fromMs)) {
    const before = merged.at(-1);
    if (before === undefined || row.fromMs > before.endedAtMs) merged.push({ ...row });
    else {
      before.toMs = Math.max(before.toMs, row.toMs);
      before.endedAtMs = Math.max(before.endedAtMs, row.endedAtMs);
    }
  }
  return merged;
};
