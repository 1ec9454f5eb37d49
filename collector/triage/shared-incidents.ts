import { createFleetRows, type SharedRow } from '#collector/control/fleet-rows.ts';
import type { HistoryLine } from '#collector/fleet/shared.ts';
import { applicationNames, deviceNames, named } from './catalogue.ts';
import type { Chart, SharedIncidentLine, SharedIncidentView } from './views.ts';
import type { TriageParts } from './window.ts';

type Parts = Pick<TriageParts, 'state'>;

/** Causes that hit several devices, those under way first. */
export const sharedIncidentsView = async (
  { state }: Parts,
  limit = 200,
): Promise<SharedIncidentLine[]> =>
  (await createFleetRows(state.db).list(limit)).map(({ id, incident }) => ({
    id,
    family: incident.family,
    kind: incident.causeKind,
    segment: incident.segment,
    scope: incident.scope,
    level: incident.level,
    element: incident.element.name,
    startedAt: incident.startedAt,
    endedAt: incident.endedAt,
    deviceCount: incident.deviceCount,
    healthyDeviceCount: incident.healthyDeviceCount,
    sentence: incident.sentence,
  }));

/** One of them; null when there is none of this id. */
export const sharedIncidentView = async (
  { state }: Parts,
  id: string,
): Promise<SharedIncidentView | null> => {
  const row = await createFleetRows(state.db).incident(id);
  if (row === undefined) return null;
  const deviceIds = row.affected.map(({ deviceId }) => deviceId);
  const [devices, applications] = await Promise.all([
    deviceNames(state, deviceIds),
    applicationNames(state),
  ]);
  return {
    incident: row.incident,
    affected: row.affected.map(({ deviceId, appId, addedMs }) => ({
      device: named(devices, deviceId),
      application: named(applications, appId),
      addedMs,
    })),
    charts: chartsOf(row),
  };
};

const chartsOf = ({ incident, history }: SharedRow): Chart[] => {
  const chart = (
    about: { id: string; title: string; unit: string; key: string },
    read: (line: HistoryLine) => number | null,
  ): Chart => {
    const { id, title, unit, key } = about;
    const { timesMs, everyMs, lines } = evenly(history);
    const values = lines.map((line) => (line === undefined ? null : read(line)));
    return {
      id,
      title,
      unit,
      kind: 'lines',
      everyMs,
      timesMs,
      lines: [{ key, label: title, values }],
    };
  };
  const devices = chart(
    { id: 'devices', title: 'Devices that suffer', unit: 'devices', key: 'control' },
    (line) => line.deviceCount,
  );
  if (incident.causeKind === 'failure') return [devices];
  return incident.causeKind === 'loss'
    ? [
        chart(
          { id: 'added', title: 'Packets lost', unit: '%', key: 'queue' },
          ({ lossRatio }) => lossRatio && lossRatio * 100,
        ),
        devices,
      ]
    : [
        chart({ id: 'added', title: 'Added each time', unit: 'ms', key: 'queue' }, ({ ms }) => ms),
        devices,
      ];
};

/** Points of a chart: of a long course its newest. */
const maxPoints = 500;

/** One place for each bin from the first to the last; undefined where it was not seen. */
const evenly = (history: readonly HistoryLine[]) => {
  const times = history.map(({ atMs }) => atMs);
  const steps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
  const everyMs = steps.length === 0 ? 60_000 : Math.min(...steps);
  const lastMs = times.at(-1) ?? 0;
  const span = lastMs - (times[0] ?? 0);
  const count = Math.min(maxPoints, history.length === 0 ? 0 : Math.floor(span / everyMs) + 1);
  const timesMs = Array.from(
    { length: count },
    (_, index) => lastMs - (count - 1 - index) * everyMs,
  );
  const byTime = new Map(history.map((line) => [line.atMs, line]));
  return { everyMs, timesMs, lines: timesMs.map((atMs) => byTime.get(atMs)) };
};
