import type { State } from '#collector/state/state.ts';
import type { Verdict, VerdictCause } from '#contract/verdict.ts';
import { applicationNames, deviceNames, named } from './catalogue.ts';
import type { IncidentLine } from './views.ts';
import type { TriageParts } from './window.ts';

/** Incidents under way first, then closed ones, newest first. */
export const incidentsView = async (
  { state }: Pick<TriageParts, 'state'>,
  limit = 200,
): Promise<IncidentLine[]> => incidentsOf(state, {}, await applicationNames(state), limit);

/** Incidents of one device, one application, or both. */
export const incidentsOf = async (
  state: State,
  about: { deviceId?: string; appId?: string },
  applications: ReadonlyMap<string, string>,
  limit: number,
): Promise<IncidentLine[]> => {
  const rows = await state.db.query.incidents.findMany({
    columns: { streak: false },
    where: (table, { and, eq }) =>
      and(
        about.deviceId === undefined ? undefined : eq(table.deviceId, about.deviceId),
        about.appId === undefined ? undefined : eq(table.appId, about.appId),
      ),
    orderBy: (table, { desc }) => [desc(table.live), desc(table.firstSlowAt)],
    limit,
  });
  const devices = await deviceNames(
    state,
    rows.map(({ deviceId }) => deviceId),
  );
  return rows.map((row) => ({
    id: row.id,
    device: named(devices, row.deviceId),
    application: named(applications, row.appId),
    segment: (row.segment ?? null) as IncidentLine['segment'],
    state: row.state,
    firstSlowAt: row.firstSlowAt,
    openedAt: row.openedAt,
    closedAt: row.closedAt,
    verdictState: (told(row) as Verdict).state,
    sentence: (told(row) as Verdict).sentence,
    sharedIncidentId: (told(row) as Verdict).causes?.find(isShared)?.incidentId ?? null,
  }));
};

const isShared = ({ scope, deviceCount }: VerdictCause): boolean =>
  scope !== 'device' && deviceCount > 1;

/** While it lasts the newest words; once closed those it was opened with, as the newest say it is over. */
const told = (row: { live: boolean; openingVerdict: unknown; latestVerdict: unknown }): unknown =>
  row.live ? row.latestVerdict : (row.openingVerdict ?? row.latestVerdict);
