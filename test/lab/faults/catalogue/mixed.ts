import type { Fault } from '../fault.ts';
import { applications, devices, hosted, impairBoth, laterMs, siteA, soonMs } from './words.ts';

/** Two things at a time: a decoy beside a real fault, or two real ones. */
export const mixedFaults: readonly Fault[] = [
  {
    name: 'late-icmp-and-wifi',
    kinds: ['mixed', 'late-icmp', 'wifi-latency'],
    what: 'The Wi-Fi of device a1 is crowded while ISP A’s core router answers 150 ms late.',
    actions: [
      { do: 'shim', key: 'time-exceeded:ia2', add: { delayMs: 150 } },
      ...impairBoth('a1-apa', { delayMs: 12, jitterMs: 6 }),
    ],
    truth: {
      blame: 'segment',
      segments: ['gateway'],
      element: 'a1-apa',
      alsoElements: ['apa', 'gwa'],
      states: ['slow'],
      devices: ['a1'],
      applications,
    },
    settleMs: soonMs,
  },
  {
    // With ix silent a trace cannot tell ia2-ix from ix-e1: the boundary is seen at e1.
    name: 'silent-hop-and-peering',
    kinds: ['mixed', 'silent-hop', 'delay'],
    what: 'The exchange’s router never answers while ISP A’s link to it adds 15 ms each way.',
    actions: [
      { do: 'shim', key: 'time-exceeded:ix', add: { lossRatio: 1 } },
      ...impairBoth('ia2-ix', { delayMs: 15 }),
    ],
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ia2-ix',
      alsoElements: ['ia2', 'ix', 'ix-e1', 'e1'],
      states: ['slow'],
      devices: siteA,
      applications,
    },
    settleMs: soonMs,
  },
  {
    // 400 ms of thinking beside three round trips of 20 ms.
    name: 'hosting-link-and-server',
    kinds: ['mixed', 'slow-server', 'delay'],
    what: 'The CRM’s server thinks for 400 ms, and its link adds 10 ms each way: the server is the larger part.',
    actions: [
      { do: 'service', node: 's1', set: { thinkMs: 400 } },
      ...impairBoth('d-s1', { delayMs: 10 }),
    ],
    truth: {
      blame: 'segment',
      segments: ['server'],
      element: 's1',
      states: ['slow'],
      devices,
      applications: ['crm'],
    },
    settleMs: soonMs,
  },
  {
    // Site A has both with the documents: 600 ms of the server, about 120 of the provider.
    name: 'isp-and-server',
    kinds: ['mixed', 'other-site', 'other-application'],
    what: 'ISP A adds 15 ms each way, and elsewhere the documents’ server thinks for 600 ms.',
    actions: [
      ...impairBoth('ia1-ia2', { delayMs: 15 }),
      { do: 'service', node: 's2', set: { thinkMs: 600 } },
    ],
    truth: {
      blame: 'segment',
      segments: ['server'],
      element: 's2',
      alsoElements: ['ia1-ia2', 'ia1', 'ia2'],
      states: ['slow'],
      devices,
      applications: ['docs'],
      also: [
        {
          segments: ['client-edge'],
          states: ['slow'],
          devices: siteA,
          applications: ['crm', 'wiki'],
        },
      ],
    },
    settleMs: soonMs,
  },
  {
    name: 'detour-and-old-rise',
    kinds: ['mixed', 'path-change', 'delay'],
    what: 'The way to the transit has changed for 57 ms more, beside 2 ms more inside ISP A.',
    actions: [
      { do: 'metric', link: 'e1-t1', metric: 200 },
      { do: 'metric', link: 'ix-t1', metric: 200 },
      ...impairBoth('ia1-ia2', { delayMs: 1 }),
    ],
    truth: {
      blame: 'segment',
      segments: ['edge-origin'],
      element: 'e1-t1',
      alsoElements: ['e1', 't1', 'ix', 'far', 'ix-far', 'far-t1'],
      states: ['slow'],
      devices,
      applications: hosted,
    },
    settleMs: laterMs,
  },
];
