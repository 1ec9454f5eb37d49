import type { FieldOf } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import { type Via, vias } from '#contract/result.ts';
import { listApplications } from './applications.ts';
import { applicationNames } from './catalogue.ts';
import { phasesCharts, readChart, readLine } from './charts.ts';
import { newestOnward, onwardLine } from './edges.ts';
import { incidentsOf } from './incidents.ts';
import { rolledUpStore } from './rolled-up.ts';
import { verdictLines, verdictMarks } from './verdicts.ts';
import type { ApplicationView, Chart, VitalsLine } from './views.ts';
import type { TriageParts, Window } from './window.ts';

/** Devices one page lists, worst first. */
const maxDevices = 100;

/** One application over all its devices; null when nobody knows it. */
export const applicationView = async (
  parts: TriageParts,
  appId: string,
  window: Window,
  nowMs: number,
): Promise<ApplicationView | null> => {
  const { state } = parts;
  const store = await rolledUpStore(parts, window);
  const names = await applicationNames(state);
  const summary = (await listApplications(parts, window, nowMs)).find(({ id }) => id === appId);
  if (summary === undefined) return null;
  const marks = (await verdictMarks(state, nowMs)).filter((mark) => mark.appId === appId);
  const [devices, charts, vitals, onward, incidents] = await Promise.all([
    verdictLines(state, marks.slice(0, maxDevices), names, nowMs),
    applicationCharts(store, window, appId),
    readVitals(store, window, { app: appId }),
    newestOnward(store, window, { app: appId }),
    incidentsOf(state, { appId }, names, 20),
  ]);
  return {
    summary,
    devices,
    charts,
    vitals,
    onward: onward.map((point) => onwardLine(point, summary.name)),
    incidents,
  };
};

const applicationCharts = async (store: Store, window: Window, app: string): Promise<Chart[]> => {
  const line = (key: string, label: string, via: Via) =>
    readLine(store, window, {
      key,
      label,
      measurement: 'http',
      field: 'duration_ms',
      tags: { app, via },
      statistic: 'median',
    });
  const paint = (key: string, label: string, field: FieldOf<'page_load'>) =>
    readLine(store, window, {
      key,
      label,
      measurement: 'page_load',
      field,
      tags: { app },
      statistic: 'median',
    });
  const [phases, ...rest] = await Promise.all([
    phasesCharts(store, window, { app }),
    readChart(
      { id: 'via', title: 'Through the tunnel and direct', unit: 'ms', kind: 'lines' },
      window,
      [line('tunnel', 'Through the tunnel', 'tunnel'), line('direct', 'Direct', 'direct')],
    ),
    readChart({ id: 'page', title: 'Page load in a browser', unit: 'ms', kind: 'lines' }, window, [
      paint('fcp', 'First paint', 'fcp_ms'),
      paint('lcp', 'Largest paint', 'lcp_ms'),
      paint('load', 'Loaded', 'load_ms'),
    ]),
  ]);
  return [...phases, ...rest];
};

const vitalFields = {
  ttfbMs: 'ttfb_ms',
  fcpMs: 'fcp_ms',
  lcpMs: 'lcp_ms',
  loadMs: 'load_ms',
  totalBlockingMs: 'total_blocking_ms',
  cls: 'cls',
} as const satisfies Partial<Record<keyof VitalsLine, FieldOf<'page_load'>>>;

/** Medians of the page's milestones, each way; a way without page loads is left out. */
export const readVitals = async (
  store: Store,
  { fromMs, toMs }: Window,
  tags: { app: string; device?: string },
): Promise<VitalsLine[]> => {
  const read = async (field: FieldOf<'page_load'>) => {
    const rows = await store.aggregate({
      measurement: 'page_load',
      field,
      statistics: ['median', 'count'],
      by: ['via'],
      tags,
      fromMs,
      toMs,
    });
    return new Map(rows.map((row) => [row.tags['via'], row.values]));
  };
  const keys = Object.keys(vitalFields) as (keyof typeof vitalFields)[];
  const [runs, ...medians] = await Promise.all([
    read('ok'),
    ...keys.map((key) => read(vitalFields[key])),
  ]);
  return vias.flatMap((via) => {
    const loadCount = runs.get(via)?.count ?? 0;
    if (loadCount === 0) return [];
    const median = (key: keyof typeof vitalFields) =>
      medians[keys.indexOf(key)]?.get(via)?.median ?? null;
    return [
      {
        via,
        loadCount,
        ttfbMs: median('ttfbMs'),
        fcpMs: median('fcpMs'),
        lcpMs: median('lcpMs'),
        loadMs: median('loadMs'),
        totalBlockingMs: median('totalBlockingMs'),
        cls: median('cls'),
      },
    ];
  });
};
