import type { CauseElement, CauseFamily } from '#contract/verdict.ts';
import { sayMs, sayPercent } from '../../wording.ts';
import type { Accepted } from '../accepted.ts';

/** What a family's words may speak of. */
export type Told = {
  element: CauseElement;
  /** The element's, with what people call its parts. */
  name: string;
  kind: Accepted['kind'];
  scope: Accepted['scope'];
  /** On one crossing, and on one request. */
  perRoundTripMs: number | null;
  costMs: number;
  lossRatio: number | null;
};

export type FamilyWords = {
  /** After "Payroll is slow on LAPTOP-7 since 09:00 UTC:". */
  says(told: Told): string;
  /** What to do about it, for the helpdesk. */
  action(told: Told): string;
};

/** On a way: what each crossing costs, and what that makes of a request. */
const onWay =
  (where: (told: Told) => string) =>
  (told: Told): string =>
    told.kind === 'loss'
      ? `${where(told)} ${sayPercent(told.lossRatio ?? 0)} of the packets are lost, which may cost about ${sayMs(told.costMs)} on each request`
      : `${where(told)} each round trip takes ${sayMs(told.perRoundTripMs ?? told.costMs)} longer, ${sayMs(told.costMs)} on each request`;

const once =
  (what: (told: Told) => string, then = '') =>
  (told: Told): string =>
    `${what(told)} ${sayMs(told.costMs)} longer than usual${then}`;

/** A stretch says by itself where it is; anything else is a place one is in. */
const within = ({ name }: Told): string => (/^(between|at) /.test(name) ? name : `in the ${name}`);

const addresses = ({ element }: Told): string =>
  element.from !== null && element.to !== null ? 'both addresses' : 'the address';

const operator = ({ element }: Told): string =>
  element.asn === null ? 'that network’s operator' : `the operator of AS ${element.asn}`;

const plain = ({ name }: Told): string => name;

/** The families' words, in the order of the contract. */
export const familyWords: Record<CauseFamily, FamilyWords> = {
  device: {
    says: ({ costMs }) =>
      `the device itself is busy and its programs get to run late, which costs ${sayMs(costMs)} on each request`,
    action: () =>
      'Look for what keeps the device busy (processor, memory, a scan, an update) and end it.',
  },
  wifi: {
    says: onWay(({ name }) => `on the ${name}, before the gateway,`),
    action: () =>
      'Move nearer to the access point or use a cable; look for other traffic on the channel.',
  },
  gateway: {
    says: onWay(({ name }) => `at the ${name}, which all devices there share,`),
    action: () => 'Check the gateway, its switches and access points: load, errors, traffic.',
  },
  'last-mile': {
    says: onWay((told) => within(told).replace(/^in /, 'on ')),
    action: () =>
      'See whether an upload or a back-up fills the line; if not, report it to the internet provider with the numbers of this verdict.',
  },
  'isp-region': {
    says: onWay(within),
    action: (told) =>
      `Report it to ${operator(told)}; until then another access, a phone for example, avoids it.`,
  },
  link: {
    says: onWay(plain),
    action: (told) =>
      `Report it to ${operator(told)} with ${addresses(told)} and the time it began.`,
  },
  router: {
    says: onWay(plain),
    action: (told) =>
      `Report it to ${operator(told)} with ${addresses(told)} and the time it began.`,
  },
  as: {
    says: onWay(within),
    action: (told) => `Report it to ${operator(told)}; another edge may avoid this network.`,
  },
  'tunnel-client': {
    says: onWay(() => 'in the device’s own tunnel, not on the way under it,'),
    action: () => 'Look for a large transfer on the device and pause it; else restart the agent.',
  },
  'tunnel-cohort': {
    says: onWay(({ name }) => `in the tunnels of all devices with ${name}`),
    action: ({ name }) => `Compare with devices without ${name}, and go back to what was before.`,
  },
  edge: {
    says: once(({ name }) => `at ${name} each request takes`),
    action: () => 'Look at the edge’s load and its processes; move devices to another edge.',
  },
  'edge-dns': {
    says: once(({ name }) => `asking ${name} takes`),
    action: () => 'Check the resolver that the edge asks, or give it another one.',
  },
  'application-dns': {
    says: once(({ name }) => `asking ${name} takes`),
    action: () =>
      'Tell whoever runs the name servers of the application’s domain that they answer late.',
  },
  'front-end': {
    says: once(({ name }) => `${name} takes`, ' to answer'),
    action: () => 'Tell the application’s owner which address it is; others answer as usual.',
  },
  application: {
    says: once(({ name }) => `${name} takes`, ' to answer'),
    action: () =>
      'Tell the application’s owner, with the time: the requests reach the server and wait there.',
  },
  tls: {
    says: once(({ name, scope }) => `${name} ${scope === 'edge' ? 'take' : 'takes'}`),
    action: () => 'Check what ends TLS there: load, certificate checks, inspection.',
  },
  transfer: {
    says: once(
      ({ name, scope }) => (scope === 'device' ? `answers over ${name} take` : `${name} take`),
      ' to come over',
    ),
    action: ({ scope }) =>
      scope === 'device'
        ? 'Look at what else uses this device’s line, and at its speed.'
        : 'Check the server’s bandwidth and how large its answers have become.',
  },
  page: {
    says: once(({ name }) => `${name} takes`, ' to show itself after its document has come'),
    action: () =>
      'Tell the application’s owner: requests are answered as usual, the page itself is slower.',
  },
  'third-party': {
    says: once(({ name }) => `its page waits for ${name}`),
    action: () => 'Tell the application’s owner that this host, not the application, slows it.',
  },
  mtu: {
    says: ({ name }) =>
      `${name.startsWith('the way') ? 'on ' : ''}${name} large packets vanish without a word: what is small passes, longer answers hang`,
    action: () =>
      'Lower the MTU or clamp the TCP segment size on that way, and let ICMP “fragmentation needed” through.',
  },
};
