import type { State } from '#collector/state/state.ts';
import { check } from '#contract/check.ts';
import { Organisation } from '#contract/organisation.ts';
import type { Named } from './views.ts';

/** Names of applications, in the order in which the organisation declares them. */
export const applicationNames = async (state: State): Promise<Map<string, string>> => {
  const newest = await state.db.query.organisationVersions.findFirst({
    columns: { document: true },
    orderBy: (table, { desc }) => desc(table.version),
  });
  const checked = check(Organisation, newest?.document);
  if (!checked.ok) return new Map();
  return new Map(checked.value.applications.map(({ id, name }) => [id, name]));
};

/** One whose name is not known keeps its id: a device may report what was since un-declared. */
export const named = (names: ReadonlyMap<string, string>, id: string): Named => ({
  id,
  name: names.get(id) ?? id,
});

/** Names of the given devices. */
export const deviceNames = async (
  state: State,
  ids: readonly string[],
): Promise<Map<string, string>> => {
  if (ids.length === 0) return new Map();
  const rows = await state.db.query.devices.findMany({
    columns: { id: true, name: true },
    where: (table, { inArray }) => inArray(table.id, [...new Set(ids)]),
  });
  return new Map(rows.map(({ id, name }) => [id, name]));
};
