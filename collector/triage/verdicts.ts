import type { State } from '#collector/state/state.ts';
import { scoreBand, type Verdict, type VerdictState } from '#contract/verdict.ts';
import { deviceNames, named } from './catalogue.ts';
import { type VerdictLine, type ViewState, viewStates } from './views.ts';

/** Three of the slowest usual interval (5 min): an older verdict says nothing about now. */
const freshForMs = 15 * 60_000;
/** A device gone for longer than this is no longer counted as silent. */
const rememberedForMs = 7 * 86_400_000;
/** Verdicts one view counts over; only four small columns of each are read. */
const maxVerdicts = 50_000;

/** What is needed of a verdict to count and to order it. */
export type VerdictMark = {
  deviceId: string;
  appId: string;
  at: number;
  state: ViewState;
  score: number | null;
};

export const viewState = (state: VerdictState, at: number, nowMs: number): ViewState =>
  nowMs - at > freshForMs ? 'no-data' : state;

/** Every remembered verdict in short, worst first. */
export const verdictMarks = async (state: State, nowMs: number): Promise<VerdictMark[]> => {
  const rows = await state.db.query.verdicts.findMany({
    columns: { deviceId: true, appId: true, at: true, state: true },
    extras: (table, { sql }) => ({
      score: sql<number | null>`(${table.verdict}->>'score')::int`.as('score'),
    }),
    where: (table, { gt }) => gt(table.at, nowMs - rememberedForMs),
    limit: maxVerdicts,
  });
  return rows
    .map((row) => ({ ...row, state: viewState(row.state as VerdictState, row.at, nowMs) }))
    .sort(worstFirst);
};

export const worstFirst = (
  a: { state: ViewState; score: number | null },
  b: { state: ViewState; score: number | null },
): number =>
  viewStates.indexOf(a.state) - viewStates.indexOf(b.state) || (a.score ?? 101) - (b.score ?? 101);

/** Marks of each device, or of each application, still worst first. */
export const marksBy = (
  marks: readonly VerdictMark[],
  key: 'deviceId' | 'appId',
): Map<string, VerdictMark[]> => {
  const groups = new Map<string, VerdictMark[]>();
  for (const mark of marks) {
    const group = groups.get(mark[key]);
    if (group) group.push(mark);
    else groups.set(mark[key], [mark]);
  }
  return groups;
};

export const isAffected = ({ state }: { state: ViewState }): boolean =>
  state === 'failing' || state === 'slow';

/** The whole verdicts behind some marks, with names, worst first. */
export const verdictLines = async (
  state: State,
  marks: readonly { deviceId: string; appId: string }[],
  applications: ReadonlyMap<string, string>,
  nowMs: number,
): Promise<VerdictLine[]> => {
  if (marks.length === 0) return [];
  const [rows, devices] = await Promise.all([
    state.db.query.verdicts.findMany({
      where: (table, { and, eq, or }) =>
        or(
          ...marks.map(({ deviceId, appId }) =>
            and(eq(table.deviceId, deviceId), eq(table.appId, appId)),
          ),
        ),
    }),
    deviceNames(
      state,
      marks.map(({ deviceId }) => deviceId),
    ),
  ]);
  return rows
    .map((row) => verdictLine(row.verdict as Verdict, devices, applications, nowMs))
    .sort(worstFirst);
};

export const verdictLine = (
  verdict: Verdict,
  devices: ReadonlyMap<string, string>,
  applications: ReadonlyMap<string, string>,
  nowMs: number,
): VerdictLine => {
  const state = viewState(verdict.state, verdict.at, nowMs);
  const score = state === 'no-data' ? null : verdict.score;
  return {
    device: named(devices, verdict.deviceId),
    application: named(applications, verdict.appId),
    edgeId: verdict.edgeId,
    state,
    verdictState: verdict.state,
    segment: verdict.segment,
    score,
    band: score === null ? null : scoreBand(score),
    sentence: verdict.sentence,
    confidence: verdict.confidence,
    addedMs: verdict.addedMs,
    totalMs: verdict.totalMs,
    baselineMs: verdict.baselineMs,
    at: verdict.at,
  };
};

/** The newest verdict of one device about one application. */
export const findVerdict = async (
  state: State,
  deviceId: string,
  appId: string,
): Promise<Verdict | null> => {
  const row = await state.db.query.verdicts.findFirst({
    columns: { verdict: true },
    where: (table, { and, eq }) => and(eq(table.deviceId, deviceId), eq(table.appId, appId)),
  });
  return row === undefined ? null : (row.verdict as Verdict);
};
