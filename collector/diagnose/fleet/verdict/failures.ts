import { segmentOfFailureType } from '../../failing.ts';
import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import { type FailureGroup, groupOf } from './failure-groups.ts';
import { countTries, type FailedPair } from './failure-tries.ts';
import type { Names } from './names.ts';
import { failureCostMs, type Part } from './part.ts';

/** Failures of one bin: which pairs of device and application do not work, and what they share. */
export type Failures = {
  of(device: DeviceView, app: ApplicationView): Part | undefined;
  /** Bins in a row without an answer. */
  binsInRow(device: DeviceView, app: ApplicationView): number;
};

/** Bins in a row (or runs in one bin) without an answer that are no accident. */
const rowForVerdict = 2;
/** So many devices at once need no second bin. */
const devicesAtOnce = 3;

type Row = { bins: number; runs: number; seenBin: number };
/** Further apart two runs are not in a row; a bin may be missing between them. */
const longestGapMs = 600_000;

/** Keeps, of those that fail, for how long. Everything else is a function of the bin. */
export const createFailureRows = (saved: readonly SavedRow[] = []) => {
  const rows = new Map<string, Row>(saved.map(([key, ...row]) => [key, fromSaved(row)]));

  return {
    look(view: BinView, names: Names): Failures {
      const failed = failedPairs(view);
      const tries = countTries(view, failed);
      for (const pair of failed) lengthen(rows, pair, view.bin);
      forget(rows, failed, view);
      const blames = new Map<string, Accepted>();
      const parts = new Map<string, Part>();
      for (const pair of failed) {
        const group = groupOf(pair, tries, names);
        const row = rows.get(keyOf(pair.device, pair.app)) as Row;
        if (row.runs < rowForVerdict && group.deviceCount < devicesAtOnce) continue;
        const key = `failure ${group.segment} ${group.element.id}`;
        const blame = blames.get(key) ?? blameOf(key, group);
        blames.set(key, blame);
        parts.set(keyOf(pair.device, pair.app), { blame, ms: failureCostMs });
      }
      return {
        of: (device, app) => parts.get(keyOf(device, app)),
        binsInRow: (device, app) => rows.get(keyOf(device, app))?.bins ?? 0,
      };
    },
    save: (): SavedRow[] =>
      [...rows]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { bins, runs, seenBin }]) => [key, bins, runs, seenBin]),
  };
};
export type SavedRow = [key: string, bins: number, runs: number, seenBin: number];

const fromSaved = ([bins, runs, seenBin]: [number, number, number]): Row => ({
  bins,
  runs,
  seenBin,
});

const keyOf = (device: DeviceView, app: ApplicationView): string =>
  `${device.deviceId} ${app.appId}`;

/** Of no segment: the device was off the network, policy blocks it, … – not for a fleet to judge. */
const failedPairs = (view: BinView): FailedPair[] =>
  view.ailing.flatMap((index) => {
    const device = view.device(index);
    return device.applications.flatMap((app): FailedPair[] => {
      if (app.failureType === null || app.okCount > 0 || app.runCount === 0) return [];
      const segment = segmentOfFailureType(app.failureType);
      return segment === null ? [] : [{ device, app, type: app.failureType, segment }];
    });
  });

const lengthen = (rows: Map<string, Row>, { device, app }: FailedPair, bin: number): void => {
  const key = keyOf(device, app);
  const row = rows.get(key) ?? { bins: 0, runs: 0, seenBin: bin };
  rows.set(key, { bins: row.bins + 1, runs: row.runs + app.runCount, seenBin: bin });
};

/** A run that was answered ends a row; so does a longer time without any. */
const forget = (rows: Map<string, Row>, failed: readonly FailedPair[], view: BinView): void => {
  if (rows.size === 0) return;
  const longestGap = Math.max(2, Math.ceil(longestGapMs / view.binMs));
  const failing = new Set(failed.map(({ device, app }) => keyOf(device, app)));
  for (const [key, row] of rows) {
    if (failing.has(key)) continue;
    const [deviceId = '', appId = ''] = key.split(' ');
    const index = view.indexOf(deviceId);
    const device = index === undefined ? undefined : view.device(index);
    const app = device?.applications.find((each) => each.appId === appId);
    const ran = app !== undefined && app.runCount > 0;
    if (ran || view.bin - row.seenBin > longestGap) rows.delete(key);
  }
};

const blameOf = (key: string, group: FailureGroup): Accepted => ({
  key,
  family: group.family,
  kind: 'failure',
  segment: group.segment,
  element: group.element,
  scope: group.scope,
  addedMs: 0,
  lossRatio: null,
  gainNats: 0,
  marginNats: 0,
  runnerUp: null,
  observerCount: group.deviceCount + group.healthyCount,
  healthyCount: group.healthyCount,
  pass: 'persistent',
  costMs: () => failureCostMs,
  elementFor: () => group.element,
  evidenceFor: () => [],
});
