import type { Store } from '#collector/store/store.ts';
import { applicationNames } from './catalogue.ts';
import { rolledUpStore } from './rolled-up.ts';
import {
  isAffected,
  marksBy,
  type VerdictMark,
  verdictLines,
  verdictMarks,
  worstFirst,
} from './verdicts.ts';
import type { ApplicationSummary, Chart, VerdictLine } from './views.ts';
import { bucketTimes, type TriageParts, type Window } from './window.ts';

/** Every application, the worst first; a declared one is listed before its first result. */
export const listApplications = async (
  parts: TriageParts,
  window: Window,
  nowMs: number,
): Promise<ApplicationSummary[]> => {
  const { state } = parts;
  const store = await rolledUpStore(parts, window);
  const [names, marks, lastResults, trends] = await Promise.all([
    applicationNames(state),
    verdictMarks(state, nowMs),
    lastResultTimes(store, window),
    trendsByApplication(store, window),
  ]);
  const marksByApp = marksBy(marks, 'appId');
  // One that is declared no more is history: its incidents remain.
  const ids = [...names.keys()];
  // Marks are worst first, so each application's first one is its worst.
  const worstMarks = ids.flatMap((id) => marksByApp.get(id)?.slice(0, 1) ?? []);
  const worst = new Map(
    (await verdictLines(state, worstMarks, names, nowMs)).map((line) => [
      line.application.id,
      line,
    ]),
  );
  return ids
    .map((id) =>
      summarise(id, names.get(id) ?? id, marksByApp.get(id) ?? [], {
        worst: worst.get(id) ?? null,
        lastResultAt: lastResults.get(id) ?? null,
        trend: trendChart(window, trends.get(id)),
      }),
    )
    .sort(worstFirst);
};

const summarise = (
  id: string,
  name: string,
  marks: readonly VerdictMark[],
  rest: { worst: VerdictLine | null; lastResultAt: number | null; trend: Chart },
): ApplicationSummary => ({
  id,
  name,
  state: rest.worst?.state ?? 'no-data',
  score: rest.worst?.score ?? null,
  band: rest.worst?.band ?? null,
  ...rest,
  affectedDeviceCount: marks.filter(isAffected).length,
  deviceCount: marks.length,
  silentDeviceCount: marks.filter(({ state }) => state === 'no-data').length,
});

/** By when the collector received it: one aggregate for all applications. */
const lastResultTimes = async (
  store: Store,
  { fromMs, toMs }: Window,
): Promise<Map<string, number>> => {
  const rows = await store.aggregate({
    measurement: 'http',
    field: 'received_at_ms',
    statistics: ['max'],
    by: ['app'],
    fromMs,
    toMs,
  });
  return new Map(
    rows.flatMap(({ tags, values }) =>
      typeof values.max === 'number' ? [[tags['app'] ?? '', values.max] as const] : [],
    ),
  );
};

const trendsByApplication = async (
  store: Store,
  { fromMs, toMs, everyMs }: Window,
): Promise<Map<string, Map<number, number | null>>> => {
  const rows = await store.aggregate({
    measurement: 'http',
    field: 'duration_ms',
    statistics: ['median'],
    by: ['app'],
    fromMs,
    toMs,
    everyMs,
  });
  const trends = new Map<string, Map<number, number | null>>();
  for (const { tags, timeMs, values } of rows) {
    const app = tags['app'] ?? '';
    const trend = trends.get(app) ?? new Map<number, number | null>();
    if (timeMs !== null) trend.set(timeMs, values.median ?? null);
    trends.set(app, trend);
  }
  return trends;
};

const trendChart = (window: Window, trend?: ReadonlyMap<number, number | null>): Chart => {
  const timesMs = bucketTimes(window);
  return {
    id: 'trend',
    title: 'Median time of a request',
    unit: 'ms',
    kind: 'lines',
    everyMs: window.everyMs,
    timesMs,
    lines: [
      {
        key: 'duration',
        label: 'Median time of a request',
        values: timesMs.map((timeMs) => trend?.get(timeMs) ?? null),
      },
    ],
  };
};
