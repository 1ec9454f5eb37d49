import { createArtefactRows } from '#collector/control/artefact-rows.ts';
import type { Point } from '#collector/store/schema.ts';
import type { Store, TagFilter } from '#collector/store/store.ts';
import { edgePathProbeId } from '#contract/edge-path.ts';
import type { Verdict } from '#contract/verdict.ts';
import { applicationNames, named } from './catalogue.ts';
import { gatewayChart, loadChart, phasesCharts, tunnelChart } from './charts.ts';
import { newestPoint } from './device.ts';
import { withEdgeFlows } from './edge-flows.ts';
import { newestOnward } from './edges.ts';
import { incidentsOf } from './incidents.ts';
import { drawPath } from './path.ts';
import { recentRuns, withArtefacts } from './runs.ts';
import { readTunnelTax } from './tunnel-tax.ts';
import { findVerdict, isAffected, verdictMarks, viewState } from './verdicts.ts';
import type { Chart, DeviceApplicationView, Named, PathLeg } from './views.ts';
import type { TriageParts, Window } from './window.ts';

/** The triage answer; null when the device is not enrolled or nobody knows the application. */
export const deviceApplicationView = async (
  { store, state }: TriageParts,
  about: { deviceId: string; appId: string },
  window: Window,
  nowMs: number,
): Promise<DeviceApplicationView | null> => {
  const { deviceId, appId } = about;
  const [device, names, verdict, marks] = await Promise.all([
    state.db.query.devices.findFirst({
      columns: { id: true, name: true },
      where: (table, { eq }) => eq(table.id, deviceId),
    }),
    applicationNames(state),
    findVerdict(state, deviceId, appId),
    verdictMarks(state, nowMs),
  ]);
  if (device === undefined || (verdict === null && !names.has(appId))) return null;
  const application = named(names, appId);
  const others = marks.filter((mark) => mark.appId === appId && mark.deviceId !== deviceId);
  const [since, tunnelTax, path, charts, runs, incidents] = await Promise.all([
    unchangedSince(store, about, verdict, nowMs),
    readTunnelTax(store, window, { device: deviceId, app: appId }),
    readPath(store, window, {
      device,
      application,
      edgeId: verdict?.edgeId ?? null,
    }),
    readCharts(store, window, deviceId, appId),
    recentRuns(store, window, { device: deviceId, app: appId }, 25)
      .then((lines) => withArtefacts(createArtefactRows(state.db), deviceId, lines))
      .then((lines) => withEdgeFlows(store, deviceId, lines)),
    incidentsOf(state, about, names, 10),
  ]);
  return {
    device,
    application,
    state: verdict === null ? 'no-data' : viewState(verdict.state, verdict.at, nowMs),
    verdict,
    ...since,
    alsoAffectedCount: others.filter(isAffected).length,
    otherDeviceCount: others.length,
    tunnelTax,
    path,
    charts,
    runs,
    incidents,
  };
};

/** Verdicts looked back over, and how far, to find when this one's state began. */
const maxVerdictsBack = 2_000;
const lookBackMs = 7 * 86_400_000;

const unchangedSince = async (
  store: Store,
  { deviceId, appId }: { deviceId: string; appId: string },
  verdict: Verdict | null,
  nowMs: number,
): Promise<{ since: number | null; sinceIsBound: boolean }> => {
  if (verdict === null) return { since: null, sinceIsBound: false };
  const points = await store.select({
    measurement: 'verdict',
    fromMs: nowMs - lookBackMs,
    toMs: verdict.at + 1,
    tags: { device: deviceId, app: appId },
    order: 'newest-first',
    limit: maxVerdictsBack,
  });
  const change = points.findIndex(({ fields }) => fields.state !== verdict.state);
  const unchanged = change === -1 ? points : points.slice(0, change);
  return { since: unchanged.at(-1)?.timeMs ?? verdict.at, sinceIsBound: change === -1 };
};

const readPath = async (
  store: Store,
  window: Window,
  about: { device: Named; application: Named; edgeId: string | null },
): Promise<PathLeg[]> => {
  const { device, application, edgeId } = about;
  const trace = (tags: { app: string } | { probe: string }) =>
    newestTrace(store, window, { device: device.id, ...tags });
  const [tunnel, direct, toEdge, onward] = await Promise.all([
    newestPoint(store, window, 'tunnel', device.id),
    trace({ app: application.id }),
    edgeId === null ? null : trace({ probe: edgePathProbeId(edgeId) }),
    edgeId === null ? [] : newestOnward(store, window, { edge: edgeId, app: application.id }),
  ]);
  return drawPath({
    deviceName: device.name,
    applicationName: application.name,
    edgeId,
    toEdge,
    direct,
    onward: onward[0] ?? null,
    tunnel: tunnel?.tags.edge === edgeId ? tunnel : null,
  });
};

const newestTrace = async (
  store: Store,
  { fromMs, toMs }: Window,
  tags: TagFilter<'path'>,
): Promise<Point<'path'> | null> => {
  const [point] = await store.select({
    measurement: 'path',
    fromMs,
    toMs,
    tags,
    order: 'newest-first',
    limit: 1,
  });
  return point ?? null;
};

const readCharts = async (
  store: Store,
  window: Window,
  deviceId: string,
  appId: string,
): Promise<Chart[]> => {
  const [phases, ...rest] = await Promise.all([
    phasesCharts(store, window, { device: deviceId, app: appId }),
    tunnelChart(store, window, deviceId),
    gatewayChart(store, window, deviceId),
    loadChart(store, window, deviceId),
  ]);
  return [...phases, ...rest];
};
