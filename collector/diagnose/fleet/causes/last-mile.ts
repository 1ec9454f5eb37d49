import { markedSite } from '../marked-ids.ts';
import { type About, type Claim, commonPenaltyNats, plainElement } from '../network/claim.ts';
import { behind } from '../network/slots.ts';
import type { Path, Unit } from '../network/unit.ts';

/** Less likely than the home's own radio (more bottlenecks are there), by so little that it only breaks ties. */
const afterWifiNats = 0.3;
/** As for the local network: names are asked for over the same line. */
const lookups = 0.35;

/** The line from a site to its network's first router: all that its devices see behind the gateway. */
export const lastMileClaims = (unit: Unit): Claim[] => {
  if (unit.device === null || unit.paths.length === 0) return [];
  return [
    {
      key: `last-mile:${unit.site}`,
      about: () => aboutLine(unit),
      mask: (slots) => unit.paths.flatMap((path) => behind(slots, path, firstTtl(path))),
    },
  ];
};

/** Where the access network begins on a path that leaves a device. */
export const firstTtl = (path: Path): number => path.nodes[0]?.ttl ?? Number.POSITIVE_INFINITY;

const aboutLine = ({ site, device }: Unit): About => {
  const siteId = device?.siteId;
  const owner = siteId === undefined ? (device?.facts.name ?? site) : markedSite(siteId);
  return {
    family: 'last-mile',
    scope: 'site',
    elementId: `last-mile:${site}`,
    keepsName: true,
    element: {
      ...plainElement(siteId ?? site, `access line of ${owner}`),
      asn: device?.asn ?? null,
    },
    penaltyNats: commonPenaltyNats + afterWifiNats,
    rank: 0,
    besides: lookups,
    crosses: (unit, path) =>
      unit.device !== null && unit.site === site ? { from: null, to: path.nodes[0] ?? null } : null,
  };
};
