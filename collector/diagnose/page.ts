import type { Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import { runsForOwnPast } from './baseline.ts';
import { isDense } from './beside-plan.ts';
import { failedSegment } from './failing.ts';
import { runsForVerdict } from './findings.ts';
import { median, robustSpread } from './statistics.ts';
import { type LeftOut, leftOutOf, type Track } from './tracks.ts';

type PageRun = Point<'page_load'>;

/** What is looked at, the first that is slow: the largest paint, then the load event. */
const milestones = ['lcp', 'load'] as const;
type Milestone = (typeof milestones)[number];

/** A page load against its own past. */
export type JudgedPage = {
  run: PageRun;
  milestone: Milestone;
  ms: number;
  baselineMs: number | null;
  addedMs: number | null;
  thresholdMs: number | null;
  slow: boolean;
};

/** The host whose slowest request grew most against the page's own past. */
export type GrownHost = { host: string; url: string; ms: number; baselineMs: number | null };

export type PageFinding = { track: Track<PageRun> } & (
  | { kind: 'page-ok'; page: JudgedPage; lone: boolean }
  | { kind: 'page-slow'; page: JudgedPage; sinceMs: number; count: number; host: GrownHost | null }
  | { kind: 'page-failing'; run: PageRun; segment: Segment | null; sinceMs: number }
  | ({ kind: 'page-left-out' } & LeftOut<PageRun>)
  | { kind: 'page-thin'; have: number; need: number; what: 'runs' | 'reference' }
);

/** Page loads vary more than requests do; 200 ms of paint is what a person starts to see. */
const slowPage = {
  lcp: { floorMs: 200, share: 0.2, spreads: 2.5, spreadFloorMs: 10 },
  // Later and of more requests: it varies more, and fewer people wait for it.
  load: { floorMs: 400, share: 0.3, spreads: 3.5, spreadFloorMs: 20 },
} as const;
const rememberedPages = 30;

/** The page's own judgement, asked for when the request itself is fine. */
export const findInPages = (track: Track<PageRun>): PageFinding => {
  const leftOut = leftOutOf(track);
  if (leftOut !== undefined) return { track, kind: 'page-left-out', ...leftOut };
  const last = track.runs.slice(-runsForVerdict);
  if (last.length === runsForVerdict && last.every((run) => run.fields.ok !== 1)) {
    const run = last.at(-1) as PageRun;
    const first = track.runs[track.runs.findLastIndex(({ fields }) => fields.ok === 1) + 1] ?? run;
    return { track, kind: 'page-failing', run, segment: failedSegment(run), sinceMs: first.timeMs };
  }
  const { judged, normal } = judgePages(track.runs);
  const lastTwo = judged.slice(-runsForVerdict);
  const page = lastTwo.at(-1);
  if (page === undefined || lastTwo.length < runsForVerdict) {
    return { track, kind: 'page-thin', have: lastTwo.length, need: runsForVerdict, what: 'runs' };
  }
  if (page.baselineMs === null) {
    return {
      track,
      kind: 'page-thin',
      have: judged.length,
      need: runsForOwnPast + 1,
      what: 'reference',
    };
  }
  if (!lastTwo.every((each) => each.slow)) {
    return { track, kind: 'page-ok', page, lone: lastTwo.some((each) => each.slow) };
  }
  const stretch = judged.slice(judged.findLastIndex((each) => !each.slow) + 1);
  const sinceMs = stretch[0]?.run.timeMs ?? page.run.timeMs;
  const least = lastTwo[0] && lastTwo[0].ms < page.ms ? lastTwo[0] : page;
  return {
    track,
    kind: 'page-slow',
    page: least,
    sinceMs,
    count: stretch.length,
    host: grownHost(least.run, normal),
  };
};

const judgePages = (runs: readonly PageRun[]): { judged: JudgedPage[]; normal: PageRun[] } => {
  const judged: JudgedPage[] = [];
  const normal: { run: PageRun; ms: Record<Milestone, number | null> }[] = [];
  for (const run of runs) {
    const ms = { lcp: run.fields.lcp_ms, load: run.fields.load_ms };
    if (run.fields.ok !== 1 || (ms.lcp ?? ms.load) === null) continue;
    const before = (milestone: Milestone) =>
      normal.map((each) => each.ms[milestone]).filter((value) => value !== null);
    const seen = milestones
      .filter((milestone) => ms[milestone] !== null)
      .map((milestone) => judgePage(run, milestone, ms[milestone] ?? 0, before(milestone)));
    // A script that holds up what follows it is not seen in the paint, but by whoever waits for it.
    const page = seen.find((each) => each.slow) ?? (seen[0] as JudgedPage);
    judged.push(page);
    if (page.slow || isDense(run)) continue;
    normal.push({ run, ms });
    if (normal.length > rememberedPages) normal.shift();
  }
  return { judged, normal: normal.map((each) => each.run) };
};

const judgePage = (
  run: PageRun,
  milestone: Milestone,
  ms: number,
  normal: readonly number[],
): JudgedPage => {
  const baselineMs = normal.length < runsForOwnPast ? null : median(normal);
  if (baselineMs === null) {
    return { run, milestone, ms, baselineMs, addedMs: null, thresholdMs: null, slow: false };
  }
  const { floorMs, share, spreads, spreadFloorMs } = slowPage[milestone];
  const spreadMs = robustSpread(normal, spreadFloorMs);
  const thresholdMs = Math.max(floorMs, share * baselineMs, spreads * spreadMs);
  const addedMs = Math.max(0, ms - baselineMs);
  return { run, milestone, ms, baselineMs, addedMs, thresholdMs, slow: addedMs >= thresholdMs };
};

type StoredResource = { url: string; host: string; durationMs: number };

const grownHost = (run: PageRun, normal: readonly PageRun[]): GrownHost | null => {
  const before = normal.map(slowestByHost);
  let most: GrownHost | null = null;
  let mostAddedMs = 0;
  for (const [host, resource] of slowestByHost(run)) {
    const known = before
      .map((hosts) => hosts.get(host)?.durationMs)
      .filter((ms) => ms !== undefined);
    const baselineMs = median(known);
    const addedMs = resource.durationMs - (baselineMs ?? 0);
    if (addedMs <= mostAddedMs) continue;
    mostAddedMs = addedMs;
    most = { host, url: resource.url, ms: resource.durationMs, baselineMs };
  }
  return most;
};

const slowestByHost = (run: PageRun): Map<string, StoredResource> => {
  const slowest = new Map<string, StoredResource>();
  for (const resource of storedResources(run.fields.resources)) {
    const known = slowest.get(resource.host);
    if (known === undefined || resource.durationMs > known.durationMs) {
      slowest.set(resource.host, resource);
    }
  }
  return slowest;
};

/** Written by our own store from checked results; a cut-off text is simply no evidence. */
const storedResources = (text: string | null): StoredResource[] => {
  if (text === null) return [];
  try {
    return JSON.parse(text) as StoredResource[];
  } catch {
    return [];
  }
};
