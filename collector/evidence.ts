import {
  type EvidencePoints,
  edgesOf,
  evidenceTimeMs,
  evidenceWindow,
  othersWindow,
  type Subject,
} from './diagnose/input.ts';
import type { Measurement, Point } from './store/schema.ts';
import type { Store, TagFilter } from './store/store.ts';

/** How far back the newest run is looked for: a device that was offline ships what it spooled. */
const newestWithinMs = 7 * 86_400_000;
/** Longest run (contract: timeout of a probe), so that a run's end is not cut off. */
const longestRunMs = 600_000;
/** Records may be this much ahead of our clock (ingest). */
const aheadMs = 3_600_000;

/** Reads what a verdict about one device and application rests on; undefined: no run to judge. */
export const readEvidence = async (
  store: Store,
  subject: Pick<Subject, 'deviceId' | 'appId'>,
  now: number,
): Promise<EvidencePoints | undefined> => {
  const startedMs = await newestStart(store, subject, now);
  if (startedMs === undefined) return undefined;
  const device = subject.deviceId;
  const run = { device, app: subject.appId };

  const readRuns = <M extends 'http' | 'page_load'>(measurement: M) => {
    const { windowMs, rows } = evidenceWindow[measurement];
    const toMs = startedMs + longestRunMs;
    const tags: TagFilter<'http' | 'page_load'> = run;
    return read<M>(store, measurement, {
      tags: tags as TagFilter<M>,
      fromMs: startedMs - windowMs,
      toMs,
      rows,
    });
  };
  const [http, page_load] = await Promise.all([readRuns('http'), readRuns('page_load')]);
  const nowMs = evidenceTimeMs({ http, page_load }, subject) ?? startedMs;

  const readAround = <M extends Exclude<Measurement & keyof typeof evidenceWindow, 'http'>>(
    measurement: M,
    tags: TagFilter<M>,
  ) => {
    const { windowMs, rows } = evidenceWindow[measurement];
    return read(store, measurement, { tags, fromMs: nowMs - windowMs, toMs: nowMs + 1, rows });
  };
  const edges = edgesOf(http);
  const ofEdges = <M extends 'edge' | 'onward'>(measurement: M, tags: TagFilter<M>) =>
    edges.length === 0 ? Promise.resolve([]) : readAround(measurement, tags);

  const [path, dns, tunnel, ofDevice, edge, onward, recent] = await Promise.all([
    readAround('path', run),
    readAround('dns', run),
    readAround('tunnel', { device }),
    readAround('device', { device }),
    ofEdges('edge', { edge: edges }),
    ofEdges('onward', { edge: edges, app: subject.appId }),
    // All applications of the device: its own rows among them must not crowd the others out.
    read(store, 'http', {
      tags: { device },
      fromMs: nowMs - othersWindow.windowMs,
      toMs: nowMs + 1,
      rows: othersWindow.rows + evidenceWindow.http.rows,
    }),
  ]);
  return {
    http: [...http, ...recent],
    page_load,
    path,
    dns,
    tunnel,
    device: ofDevice,
    edge,
    onward,
  };
};

const newestStart = async (
  store: Store,
  { deviceId, appId }: Pick<Subject, 'deviceId' | 'appId'>,
  now: number,
): Promise<number | undefined> => {
  const newest = (measurement: 'http' | 'page_load') =>
    read(store, measurement, {
      tags: { device: deviceId, app: appId },
      fromMs: now - newestWithinMs,
      toMs: now + aheadMs,
      rows: 1,
    });
  const points = (await Promise.all([newest('http'), newest('page_load')])).flat();
  return points.length === 0 ? undefined : Math.max(...points.map(({ timeMs }) => timeMs));
};

/** The newest rows first, so that a bound cuts the oldest. */
const read = <M extends Measurement>(
  store: Store,
  measurement: M,
  bounds: { tags: TagFilter<M>; fromMs: number; toMs: number; rows: number },
): Promise<Point<M>[]> =>
  store.select({
    measurement,
    tags: bounds.tags,
    fromMs: bounds.fromMs,
    toMs: bounds.toMs,
    order: 'newest-first',
    limit: bounds.rows,
  });
