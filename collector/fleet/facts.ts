import { isDeepStrictEqual } from 'node:util';
import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Fleet } from '../control/fleet.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';

/** Reading a large fleet's takes a while: no more than a two-hundredth of the time is spent on it. */
const freshness = { timesReading: 200, leastMs: 1_000, mostMs: 300_000 } as const;

/** What is known of the fleet besides what it measures; whoever has just enrolled has a name at once. */
export const createFactsReader = (parts: {
  fleet: Pick<Fleet, 'devices' | 'edges'>;
  organisations: Pick<OrganisationVersions, 'current'>;
  now: () => number;
}) => {
  let known: { facts: Facts; untilMs: number } | undefined;
  return async (): Promise<Facts> => {
    const askedAt = parts.now();
    if (known && askedAt < known.untilMs) return known.facts;
    const facts = await readFacts(parts);
    const { timesReading, leastMs, mostMs } = freshness;
    const tookMs = parts.now() - askedAt;
    const freshForMs = Math.min(mostMs, Math.max(leastMs, timesReading * tookMs));
    // Told again only where something is new: an engine learns them whole.
    const isNew = !isDeepStrictEqual(facts, known?.facts);
    known = {
      facts: isNew || known === undefined ? facts : known.facts,
      untilMs: askedAt + freshForMs,
    };
    return known.facts;
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
