import {
  type About,
  type Claim,
  commonPenaltyNats,
  nowhere,
  plainElement,
} from '../network/claim.ts';
import { isHot } from '../network/own.ts';
import type { Path, Unit } from '../network/unit.ts';

/** A fault of all that run one version, platform or profile is rarer than one device's. */
const cohortNats = 2;
/**
 * Of a tunnel that is slow by its send queue alone, or with an empty one, two quantities speak at
 * most; but nothing else on the way or on the device shifts these and leaves the rest as it was.
 */
const oneSignNats = { client: -2, cohort: 4 };
/** With no measurement outside, a slow tunnel may as well be a slow way. */
const withoutUnderlayNats = 1;

const cohorts = [
  { field: 'programVersion', name: (value: string) => `tunnel client version ${value}` },
  { field: 'profile', name: (value: string) => `forwarding profile ${value}` },
  { field: 'platform', name: (value: string) => `tunnel clients on ${value}` },
] as const;

/** A way that is slow outside the tunnel too is no tunnel that is slow alone. */
const isAlone = ({ device }: Unit): boolean => !isHot(device?.underlay ?? null);

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
      about: () =>
        aboutClient(unit, device.underlay?.ready ? oneSignNats.client : withoutUnderlayNats),
      mask: (slots) => (isAlone(unit) ? slots.tunnel : []),
    },
    {
      key: `tunnel-queue:${unit.id}`,
      about: () => ({ ...aboutClient(unit, oneSignNats.client), shownBy: inQueue }),
      mask: queueAndRuns,
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
      about: () => aboutCohort(rank, value, cohortNats),
      mask: (slots) => [...slots.tunnel, ...slots.queue],
    },
    {
      key: `tunnel-cohort-alone:${cohort.field}=${value}`,
      about: () => aboutCohort(rank, value, oneSignNats.cohort),
      mask: (slots) => (isAlone(unit) ? slots.tunnel : []),
    },
    {
      key: `tunnel-cohort-queue:${cohort.field}=${value}`,
      about: () => ({ ...aboutCohort(rank, value, oneSignNats.cohort), shownBy: inQueue }),
      mask: queueAndRuns,
    },
  ];
};

/** The control session carries nothing else: what waits to be sent holds up runs, not it. */
const queueAndRuns: Claim['mask'] = (slots) => [...slots.queue, ...slots.runs];
const inQueue = ({ device }: Unit) => device?.queue ?? null;

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

const aboutCohort = (rank: number, value: string, surchargeNats: number): About => {
  const { field, name } = cohorts[rank] as (typeof cohorts)[number];
  return {
    family: 'tunnel-cohort',
    scope: 'cohort',
    elementId: `tunnel-cohort:${field}=${value}`,
    element: plainElement(`${field}=${value}`, name(value)),
    penaltyNats: commonPenaltyNats + surchargeNats,
    sharedOnly: true,
    rank: 20 + rank,
    crosses: (unit, path) => (unit.device?.facts[field] === value ? onTunnel(path) : null),
  };
};
