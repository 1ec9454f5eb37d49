import { type About, type Claim, commonPenaltyNats, plainElement } from '../network/claim.ts';
import { behind } from '../network/slots.ts';
import type { Unit } from '../network/unit.ts';
import { firstTtl } from './last-mile.ts';

/** An access network's part of the country: what all sites there see behind their gateways. */
export const regionClaims = (unit: Unit): Claim[] => {
  const { device } = unit;
  if (device === null || device.asn === null) return [];
  const { asn, region } = device;
  return [
    {
      key: `isp-region:${asn}/${region ?? ''}`,
      about: () => aboutRegion(asn, region),
      mask: (slots) => unit.paths.flatMap((path) => behind(slots, path, firstTtl(path))),
    },
  ];
};

const aboutRegion = (asn: number, region: string | null): About => {
  const id = region === null ? `AS${asn}` : `AS${asn}/${region}`;
  const where = region === null ? '' : ` in ${region}`;
  return {
    family: 'isp-region',
    scope: 'region',
    elementId: `isp-region:${id}`,
    keepsName: true,
    element: { ...plainElement(id, `access network AS ${asn}${where}`), asn },
    penaltyNats: commonPenaltyNats,
    sharedOnly: true,
    rank: 1,
    crosses: (unit, path) =>
      unit.device !== null && unit.device.asn === asn && unit.device.region === region
        ? { from: null, to: path.nodes[0] ?? null }
        : null,
  };
};
