import { type Measurement, type Point, series } from '../store/schema.ts';

/**
 * How far back each kind of evidence is read and how many rows of it at most (the newest). The
 * collector's reader may read more: `inputAt` cuts to exactly this, so that the live verdict and
 * the replayed one rest on the same rows.
 */
export const evidenceWindow = {
  http: { windowMs: 2 * 3_600_000, rows: 1_500 },
  page_load: { windowMs: 2 * 3_600_000, rows: 300 },
  path: { windowMs: 3_600_000, rows: 300 },
  dns: { windowMs: 3_600_000, rows: 100 },
  tunnel: { windowMs: 2 * 3_600_000, rows: 2_000 },
  device: { windowMs: 2 * 3_600_000, rows: 2_000 },
  edge: { windowMs: 2 * 3_600_000, rows: 4_000 },
  onward: { windowMs: 3_600_000, rows: 400 },
} as const satisfies Partial<Record<Measurement, { windowMs: number; rows: number }>>;

/** How far back, and how many rows at most, the device's other applications are looked at. */
export const othersWindow = { windowMs: 30 * 60_000, rows: 600 } as const;

export type EvidenceMeasurement = keyof typeof evidenceWindow;

/** Stored points as they were read, in any order; rows of others are passed over. */
export type EvidencePoints = { [M in EvidenceMeasurement]: readonly Point<M>[] };

/** What is asked about, and what people call it. */
export type Subject = {
  deviceId: string;
  appId: string;
  deviceName: string;
  appName: string;
  /** Edge id → what people call it (its location); an edge that is not here is called by its id. */
  edgeNames?: Readonly<Record<string, string>>;
};

/** Everything a verdict rests on, all oldest first and cut to the windows above. */
export type DiagnosisInput = Subject & {
  /** End of the newest run of this device and application: never the time of asking. */
  nowMs: number;
  http: readonly Point<'http'>[];
  pageLoads: readonly Point<'page_load'>[];
  paths: readonly Point<'path'>[];
  dns: readonly Point<'dns'>[];
  tunnel: readonly Point<'tunnel'>[];
  device: readonly Point<'device'>[];
  edge: readonly Point<'edge'>[];
  onward: readonly Point<'onward'>[];
  /** Recent HTTP runs of the device's other applications. */
  others: readonly Point<'http'>[];
};

/** When the run that gave this point ended: the device's clock. */
export const runEndMs = (point: Point<'http'> | Point<'page_load'>): number =>
  Math.round(point.timeMs + (point.fields.run_ms ?? 0));

/**
 * The time a verdict speaks for: the end of the newest HTTP or page-load run of the device and
 * application among the points; undefined when there is none. Wall clocks play no part, so the
 * same rows give the same verdict whenever and wherever they are judged.
 */
export const evidenceTimeMs = (
  points: Pick<EvidencePoints, 'http' | 'page_load'>,
  subject: Pick<Subject, 'deviceId' | 'appId'>,
): number | undefined => {
  let newest: number | undefined;
  for (const point of [...points.http, ...points.page_load]) {
    if (point.tags.device !== subject.deviceId || point.tags.app !== subject.appId) continue;
    newest = Math.max(newest ?? 0, runEndMs(point));
  }
  return newest;
};

/** The edges these runs went through: whose samples the reader has to read. */
export const edgesOf = (http: readonly Point<'http'>[]): string[] =>
  [...new Set(http.map((point) => point.tags.edge))].filter((edge) => edge !== '').sort();

/**
 * Cuts what was read to what a verdict at the newest run may know: only rows up to that run's end,
 * only of this device, application and its edges, at most the bounded number, oldest first.
 * Undefined when the application has no run at all.
 */
export const inputAt = (points: EvidencePoints, subject: Subject): DiagnosisInput | undefined => {
  const nowMs = evidenceTimeMs(points, subject);
  if (nowMs === undefined) return undefined;
  const ofDevice = (point: { tags: { device: string } }) => point.tags.device === subject.deviceId;
  const ofApp = (point: { tags: { device: string; app: string } }) =>
    ofDevice(point) && point.tags.app === subject.appId;
  const http = cut(points.http, nowMs, evidenceWindow.http, ofApp);
  const edges = new Set(edgesOf(http));
  const ofEdges = (point: { tags: { edge: string } }) => edges.has(point.tags.edge);
  return {
    ...subject,
    nowMs,
    http,
    pageLoads: cut(points.page_load, nowMs, evidenceWindow.page_load, ofApp),
    paths: cut(points.path, nowMs, evidenceWindow.path, ofApp),
    dns: cut(points.dns, nowMs, evidenceWindow.dns, ofApp),
    tunnel: cut(points.tunnel, nowMs, evidenceWindow.tunnel, ofDevice),
    device: cut(points.device, nowMs, evidenceWindow.device, ofDevice),
    edge: cut(points.edge, nowMs, evidenceWindow.edge, ofEdges),
    onward: cut(
      points.onward,
      nowMs,
      evidenceWindow.onward,
      (point) => ofEdges(point) && point.tags.app === subject.appId,
    ),
    others: cut(
      points.http,
      nowMs,
      othersWindow,
      (point) => ofDevice(point) && point.tags.app !== subject.appId,
    ),
  };
};

/** What was known at a time: only runs that had ended. */
export const knownAt = (points: EvidencePoints, timeMs: number): EvidencePoints => ({
  ...points,
  http: points.http.filter((run) => runEndMs(run) <= timeMs),
  page_load: points.page_load.filter((run) => runEndMs(run) <= timeMs),
});

const cut = <P extends Point>(
  points: readonly P[],
  nowMs: number,
  bound: { windowMs: number; rows: number },
  belongs: (point: P) => boolean,
): P[] => {
  const rows = new Map<string, P>();
  for (const point of points) {
    if (point.timeMs > nowMs || point.timeMs <= nowMs - bound.windowMs || !belongs(point)) continue;
    // As in the store: same tags and time, the later one stands.
    rows.set(rowKey(point), point);
  }
  return [...rows.entries()]
    .sort(([keyA, a], [keyB, b]) => a.timeMs - b.timeMs || (keyA < keyB ? -1 : 1))
    .slice(-bound.rows)
    .map(([, point]) => point);
};

/** Equal times are put in the order of their tags, so that the order of reading never matters. */
const rowKey = (point: Point): string => {
  const tags: Record<string, string> = point.tags;
  let key = `${point.timeMs}`;
  for (const name of series[point.measurement].tags) key += ` ${tags[name]}`;
  return key;
};
