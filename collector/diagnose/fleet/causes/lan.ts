import { markedSite } from '../marked-ids.ts';
import {
  type About,
  type Claim,
  commonPenaltyNats,
  nowhere,
  plainElement,
} from '../network/claim.ts';
import type { Unit } from '../network/unit.ts';

/** A name asked for on the way makes about a third of a crossing more. */
const lookups = 0.35;

/** The device's own link (Wi-Fi or cable), and the gateway that all devices of a site share. */
export const lanClaims = (unit: Unit): Claim[] => {
  const { device, site } = unit;
  if (device === null) return [];
  const own: Claim = {
    key: `wifi:${device.deviceId}`,
    about: () => aboutLink(unit),
    mask: (slots) => slots.timed,
    nearest: (slots) => slots.gateway,
  };
  const { siteId } = device;
  if (siteId === undefined) return [own];
  const shared: Claim = {
    key: `gateway:${site}`,
    about: () => aboutGateway(site, siteId),
    mask: (slots) => slots.timed,
    nearest: (slots) => slots.gateway,
  };
  return [own, shared];
};

const aboutLink = ({ device, id }: Unit): About => {
  const name = device?.facts.name ?? id;
  const link =
    device?.linkType === 'wired'
      ? 'wired link'
      : device?.linkType === 'wifi'
        ? 'Wi-Fi'
        : 'local link';
  return {
    family: 'wifi',
    scope: 'device',
    elementId: `wifi:${id}`,
    element: plainElement(id, `${link} of ${name}`),
    penaltyNats: commonPenaltyNats,
    rank: null,
    besides: lookups,
    crosses: (unit) => (unit.id === id ? nowhere : null),
    evidence: linkEvidence,
  };
};

const aboutGateway = (site: string, siteId: string): About => ({
  family: 'gateway',
  scope: 'site',
  elementId: `gateway:${site}`,
  element: plainElement(siteId, `gateway of ${markedSite(siteId)}`),
  penaltyNats: commonPenaltyNats,
  sharedOnly: true,
  rank: null,
  besides: lookups,
  crosses: (unit) => (unit.device !== null && unit.site === site ? nowhere : null),
});

const linkEvidence = ({ device }: Unit) =>
  device === null || device.signalDbm === null
    ? []
    : [
        {
          finding: 'context' as const,
          text: `The Wi-Fi signal is ${Math.round(device.signalDbm)} dBm.`,
          value: device.signalDbm,
          baseline: null,
          unit: 'dBm',
        },
      ];
