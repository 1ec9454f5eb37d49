import type { OrganisationVersions } from '../control/organisation-versions.ts';

/** The ids of the applications that are declared now. */
export type DeclaredApplications = () => Promise<ReadonlySet<string>>;

/** Read anew when another version is in force: the number is asked for each time, the document not. */
export const createDeclaredApplications = (
  organisations: Pick<OrganisationVersions, 'current' | 'currentNumber'>,
): DeclaredApplications => {
  let known: { version: number; ids: ReadonlySet<string> } | undefined;
  return async () => {
    const version = await organisations.currentNumber();
    if (known?.version === version) return known.ids;
    const current = await organisations.current();
    const ids = new Set(current.document.applications.map(({ id }) => id));
    known = { version: current.version, ids };
    return ids;
  };
};
