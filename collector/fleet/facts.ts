import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Fleet } from '../control/fleet.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';

/** Names and versions change seldom; reading them for a large fleet takes a while. */
const freshForMs = 300_000;

/** What is known of the fleet besides what it measures, read again every few minutes. */
export const createFactsReader = (parts: {
  fleet: Pick<Fleet, 'devices' | 'edges'>;
  organisations: Pick<OrganisationVersions, 'current'>;
  now: () => number;
}) => {
  let known: { facts: Facts; atMs: number } | undefined;
  return async (): Promise<Facts> => {
    if (known && parts.now() - known.atMs < freshForMs) return known.facts;
    const facts = await readFacts(parts);
    known = { facts, atMs: parts.now() };
    return facts;
  };
};

export type FactsReader = ReturnType<typeof createFactsReader>;

const readFacts = async (parts: Parameters<typeof createFactsReader>[0]): Promise<Facts> => {
  const [devices, edges, { document }] = await Promise.all([
    parts.fleet.devices(),
    parts.fleet.edges(),
    parts.organisations.current(),
  ]);
  return {
    devices: Object.fromEntries(
      devices.map(({ id, name, platform, programVersion }) => [
        id,
        { name, platform, programVersion },
      ]),
    ),
    edges: Object.fromEntries(
      edges.map(({ id, location }) => [id, location === '' ? {} : { name: location }]),
    ),
    applications: Object.fromEntries(document.applications.map(({ id, name }) => [id, { name }])),
  };
};
