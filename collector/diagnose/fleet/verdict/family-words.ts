import type { CauseElement, CauseFamily } from '#contract/verdict.ts';
import { sayMs, sayPercent } from '../../wording.ts';
import type { Blame } from './blame.ts';

/** What a family's words may speak of. */
export type Told = {
  element: CauseElement;
  kind: Blame['kind'];
  /** On one crossing, and on one request. */
  perRoundTripMs: number | null;
  costMs: number;
  lossRatio: number | null;
  appName: string;
  edgeName: string;
};

export type FamilyWords = {
  /** After "Payroll is slow on LAPTOP-7 since 09:00 UTC:". */
  says(told: Told): string;
  /** What to do about it, for the helpdesk. */
  action(told: Told): string;
};

/** On a path: what every crossing costs, and what that makes of a request. */
const onPath =
  (where: (told: Told) => string) =>
  (told: Told): string =>
    told.kind === 'loss'
      ? `${where(told)} ${sayPercent(told.lossRatio ?? 0)} of the packets are lost, which costs about ${sayMs(told.costMs)} on each request`
      : `${where(told)} each round trip takes ${sayMs(told.perRoundTripMs ?? told.costMs)} longer, ${sayMs(told.costMs)} on each request`;

const once =
  (what: (told: Told) => string) =>
  (told: Told): string =>
    `${what(told)} takes ${sayMs(told.costMs)} longer than usual`;

const operator = ({ element }: Told): string =>
  element.asn === null ? 'that network’s operator' : `the operator of AS ${element.asn}`;

/** The families' words. */
export const familyWords: Record<CauseFamily, FamilyWords> = {
  device: {
    says: (told) =>
      `the device itself is busy: its programs get to run late, ${sayMs(told.costMs)} on each request`,
    action: () =>
      'Look for what keeps the device busy (processor, memory, a scan or an update) and end or restart it.',
  },
  wifi: {
    says: onPath(({ element }) => `on the local network of ${element.name}, before the gateway,`),
    action: () =>
      'Move nearer to the access point or use a cable; check the Wi-Fi channel and other traffic on it.',
  },
  gateway: {
    says: onPath(({ element }) => `on ${element.name}, which all its devices share,`),
    action: () =>
      'Check the site’s gateway and switches (load, errors, traffic); every device behind it has this.',
  },
  'last-mile': {
    says: onPath(({ element }) => `on the internet access ${element.name}`),
    action: () =>
      'Check what fills the internet line (upload, back-up); if nothing does, report it to the internet provider with the numbers below.',
  },
  'isp-region': {
    says: onPath(({ element }) => `at the internet provider, ${element.name},`),
    action: (told) =>
      `Report it to ${operator(told)}; users there can work over another access (phone) meanwhile.`,
  },
  link: {
    says: onPath(({ element }) => element.name),
    action: (told) => `Report it to ${operator(told)} with both addresses and the time it began.`,
  },
  router: {
    says: onPath(({ element }) => element.name),
    action: (told) => `Report it to ${operator(told)} with the address and the time it began.`,
  },
  as: {
    says: onPath(({ element }) => element.name),
    action: (told) => `Report it to ${operator(told)}; another edge may avoid this network.`,
  },
  'tunnel-client': {
    says: onPath(() => 'in the device’s own tunnel, and not on the network under it,'),
    action: () => 'Look for a large transfer on the device and pause it; else restart the agent.',
  },
  'tunnel-cohort': {
    says: onPath(({ element }) => `in the tunnel of all devices with ${element.name}`),
    action: ({ element }) =>
      `Compare with devices without ${element.name}; go back to what was before.`,
  },
  edge: {
    says: once(({ element }) => element.name),
    action: () => 'Look at the edge’s load and processes; move devices to another edge.',
  },
  'edge-dns': {
    says: once(({ element }) => `name resolution by ${element.name}`),
    action: () => 'Check the resolver that the edge asks, or give it another.',
  },
  'application-dns': {
    says: once(({ element }) => `resolving the names of ${element.name}`),
    action: () => 'Tell whoever runs the domain’s name servers; all edges see them answer late.',
  },
  'front-end': {
    says: once(({ element }) => element.name),
    action: () => 'Tell the application’s owner which address it is; others answer as usual.',
  },
  application: {
    says: once(({ element }) => `the server of ${element.name}`),
    action: () =>
      'Tell the application’s owner, with the time: requests reach the server and wait there, from everywhere.',
  },
  tls: {
    says: once(({ element }) => `the TLS handshake of ${element.name}`),
    action: () => 'Check what ends TLS there (load, certificate checks, inspection).',
  },
  transfer: {
    says: once(({ element }) => `the transfer of the answer of ${element.name}`),
    action: () => 'Check the server’s bandwidth and how large its answers have become.',
  },
  page: {
    says: once(({ element }) => `showing the page of ${element.name}`),
    action: () =>
      'Tell the application’s owner: the request is answered as usual, the page itself got heavier.',
  },
  'third-party': {
    says: once(({ element }) => `${element.name}, which the page waits for,`),
    action: () => 'Tell the application’s owner that this third party slows the page.',
  },
  mtu: {
    says: ({ element }) => `${element.name} large packets vanish without a word`,
    action: () =>
      'Lower the MTU or clamp the TCP segment size there; let ICMP “fragmentation needed” through.',
  },
};
