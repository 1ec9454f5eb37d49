import type { Verdict } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import { diagnose } from './diagnose.ts';
import { type EvidenceMeasurement, evidenceWindow, inputAt } from './input.ts';

/** What people call the ids in the points; an id that is not here is its own name. */
export type Names = {
  devices: Readonly<Record<string, string>>;
  applications: Readonly<Record<string, string>>;
  edges: Readonly<Record<string, string>>;
};

type Kept = { [M in EvidenceMeasurement]: Point<M>[] };

/** Points beyond twice the longest window are dropped when this many have come since the last time. */
const sweepAfter = 2_000;
const longestWindowMs = Math.max(...Object.values(evidenceWindow).map((each) => each.windowMs));

/**
 * Judges points as they come, in their order, through the same `inputAt` and `diagnose` as the
 * live collector: what was recorded gives the verdicts that were given.
 */
export const createFold = (names: Names) => {
  const byDevice = new Map<string, Kept>();
  const ofEdges = emptyKept();
  let newestMs = 0;
  let sinceSweep = 0;

  const keptFor = (deviceId: string): Kept => {
    const known = byDevice.get(deviceId);
    if (known !== undefined) return known;
    // Edges' samples speak about every device: one array, seen by all.
    const made = { ...emptyKept(), edge: ofEdges.edge, onward: ofEdges.onward };
    byDevice.set(deviceId, made);
    return made;
  };

  const keep = (point: Point): void => {
    if (!isEvidence(point)) return;
    const kept = 'device' in point.tags ? keptFor(point.tags.device) : ofEdges;
    (kept[point.measurement] as Point[]).push(point);
    newestMs = Math.max(newestMs, point.timeMs);
    sinceSweep += 1;
    if (sinceSweep < sweepAfter) return;
    sinceSweep = 0;
    const arrays = [ofEdges, ...byDevice.values()].flatMap((each) => Object.values(each));
    for (const points of new Set(arrays)) sweep(points, newestMs - 2 * longestWindowMs);
  };

  return {
    /** Takes one record's points; gives a verdict when one of them is a request's or a page's run. */
    add(points: readonly Point[]): Verdict | undefined {
      for (const point of points) keep(point);
      const run = points.find(isRun);
      if (run === undefined) return undefined;
      const { device: deviceId, app: appId } = run.tags;
      const input = inputAt(keptFor(deviceId), {
        deviceId,
        appId,
        deviceName: names.devices[deviceId] ?? deviceId,
        appName: names.applications[appId] ?? appId,
        edgeNames: names.edges,
      });
      return input === undefined ? undefined : diagnose(input);
    },
  };
};

const emptyKept = (): Kept => ({
  http: [],
  page_load: [],
  path: [],
  dns: [],
  tunnel: [],
  device: [],
  edge: [],
  onward: [],
});

const isEvidence = (point: Point): point is Point<EvidenceMeasurement> =>
  point.measurement in evidenceWindow;

const isRun = (point: Point): point is Point<'http'> | Point<'page_load'> =>
  point.measurement === 'http' || point.measurement === 'page_load';

const sweep = (points: Point[], beforeMs: number): void => {
  const left = points.filter((point) => point.timeMs >= beforeMs);
  points.splice(0, points.length, ...left);
};
