import {
  type About,
  type Claim,
  commonPenaltyNats,
  nowhere,
  plainElement,
} from '../network/claim.ts';
import type { Path, Unit } from '../network/unit.ts';

/** A fault of all that run one version, platform or profile is rarer than one device's. */
const cohortNats = 2;
/** The tunnel slow with an empty send queue is rarer than a queue that stands. */
const withoutQueueNats = 1;

const cohorts = [
  { field: 'programVersion', name: (value: string) => `tunnel client version ${value}` },
  { field: 'profile', name: (value: string) => `forwarding profile ${value}` },
  { field: 'platform', name: (value: string) => `tunnel clients on ${value}` },
] as const;

/** The tunnel's own part: its round trip and its queue, but not the way outside of it. */
export const tunnelClaims = (unit: Unit): Claim[] => {
  const { device } = unit;
  if (device === null || device.tunnel === null) return [];
  return [
    {
      key: `tunnel:${unit.id}`,
      about: () => aboutClient(unit, 0),
      mask: (slots) => [...slots.tunnel, ...slots.queue],
    },
    {
      key: `tunnel-alone:${unit.id}`,
      about: () => aboutClient(unit, withoutQueueNats),
      mask: (slots) => slots.tunnel,
    },
    ...cohorts.flatMap((_, rank) => cohortClaims(unit, rank)),
  ];
};

const cohortClaims = (unit: Unit, rank: number): Claim[] => {
  const cohort = cohorts[rank];
  const value = cohort === undefined ? undefined : unit.device?.facts[cohort.field];
  if (cohort === undefined || value === undefined) return [];
  return [
    {
      key: `tunnel-cohort:${cohort.field}=${value}`,
      about: () => aboutCohort(rank, value),
      mask: (slots) => [...slots.tunnel, ...slots.queue],
    },
  ];
};

const onTunnel = (path: Path) => (path.leg === 'leg1' ? nowhere : null);

const aboutClient = ({ id, device }: Unit, surchargeNats: number): About => ({
  family: 'tunnel-client',
  scope: 'device',
  elementId: `tunnel:${id}`,
  element: plainElement(id, `tunnel client on ${device?.facts.name ?? id}`),
  penaltyNats: commonPenaltyNats + surchargeNats,
  rank: null,
  crosses: (unit, path) => (unit.id === id ? onTunnel(path) : null),
});

const aboutCohort = (rank: number, value: string): About => {
  const { field, name } = cohorts[rank] as (typeof cohorts)[number];
  return {
    family: 'tunnel-cohort',
    scope: 'cohort',
    elementId: `tunnel-cohort:${field}=${value}`,
    element: plainElement(`${field}=${value}`, name(value)),
    penaltyNats: commonPenaltyNats + cohortNats,
    sharedOnly: true,
    rank: 20 + rank,
    crosses: (unit, path) => (unit.device?.facts[field] === value ? onTunnel(path) : null),
  };
};
