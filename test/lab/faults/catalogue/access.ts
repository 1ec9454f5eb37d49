import type { Fault } from '../fault.ts';
import { applications, impair, impairBoth, laterMs, siteA, siteB, soonMs } from './words.ts';

/** Bursts as in a flat with many networks: a sixth of the time in a burst that takes 70 %. */
const wifiBursts = { enterRatio: 0.05, leaveRatio: 0.25, lossRatio: 0.7 } as const;

/** The local network and the line to the provider. */
const localFaults: readonly Fault[] = [
  {
    name: 'wifi-loss',
    kinds: ['wifi-loss', 'loss'],
    what: 'The Wi-Fi of device a1 loses packets in bursts, about 12 % each way.',
    actions: impairBoth('a1-apa', { burst: wifiBursts }),
    truth: {
      blame: 'segment',
      segments: ['gateway'],
      element: 'a1-apa',
      alsoElements: ['apa', 'gwa'],
      states: ['slow', 'failing'],
      devices: ['a1'],
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'wifi-latency',
    kinds: ['wifi-latency'],
    what: 'The Wi-Fi of device a1 is crowded: 12 ms and more on top, each way.',
    actions: impairBoth('a1-apa', { delayMs: 12, jitterMs: 6 }),
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
    name: 'office-network-delay',
    kinds: ['delay'],
    what: 'Between switch and gateway of site B every packet waits 10 ms each way.',
    actions: impairBoth('apb-gwb', { delayMs: 10 }),
    truth: {
      blame: 'segment',
      segments: ['gateway'],
      element: 'apb-gwb',
      alsoElements: ['apb', 'gwb'],
      states: ['slow'],
      devices: siteB,
      applications,
    },
    settleMs: soonMs,
  },
];

const lineFaults: readonly Fault[] = [
  {
    name: 'access-bufferbloat',
    kinds: ['bufferbloat'],
    what: 'Device a2 uploads over a 2 Mbit/s line whose queue holds 400 ms; everyone at site A waits.',
    actions: [
      { do: 'rate', direction: 'gwa>ia1', kbits: 2_000, queueMs: 400 },
      { do: 'bulk', from: 'a2', to: 'tp' },
    ],
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'gwa-ia1',
      alsoElements: ['gwa', 'ia1'],
      states: ['slow', 'failing'],
      devices: siteA,
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'access-slow-line',
    kinds: ['rate-limit'],
    what: 'The provider shapes the line of site B to 300 kbit/s downstream.',
    actions: [{ do: 'rate', direction: 'ib1>gwb', kbits: 300, queueMs: 300 }],
    truth: {
      blame: 'segment',
      segments: ['client-edge', 'transfer'],
      element: 'gwb-ib1',
      alsoElements: ['gwb', 'ib1'],
      states: ['slow', 'failing'],
      devices: siteB,
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'access-outage',
    kinds: ['loss'],
    what: 'The line of site B is dead beyond the gateway; cable and gateway are well.',
    actions: impairBoth('gwb-ib1', { lossRatio: 1 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'gwb-ib1',
      alsoElements: ['gwb', 'ib1'],
      states: ['failing'],
      devices: siteB,
      applications,
    },
    settleMs: laterMs,
    offline: siteB,
  },
];

/** Within the providers. */
const ispFaults: readonly Fault[] = [
  {
    name: 'isp-a-delay',
    kinds: ['delay'],
    what: 'Inside ISP A every packet waits 15 ms more each way.',
    actions: impairBoth('ia1-ia2', { delayMs: 15 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ia1-ia2',
      alsoElements: ['ia1', 'ia2'],
      states: ['slow'],
      devices: siteA,
      applications,
    },
    settleMs: soonMs,
  },
  {
    name: 'isp-a-jitter',
    kinds: ['jitter'],
    what: 'Inside ISP A packets wait in queues that come and go, 25 ms each way on average.',
    actions: impairBoth('ia1-ia2', { jitterMs: 25 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ia1-ia2',
      alsoElements: ['ia1', 'ia2'],
      states: ['slow'],
      devices: siteA,
      applications,
    },
    settleMs: soonMs,
  },
  {
    name: 'isp-a-peering',
    kinds: ['delay', 'jitter', 'loss'],
    what: 'The port of ISP A at the exchange is full: 12 ms, waves of 8 ms and 3 % loss each way.',
    actions: impairBoth('ia2-ix', { delayMs: 12, jitterMs: 8, lossRatio: 0.03 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ia2-ix',
      alsoElements: ['ia2', 'ix'],
      states: ['slow', 'failing'],
      devices: siteA,
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'isp-a-mtu-hole',
    kinds: ['mtu-black-hole'],
    what: 'Between ISP A and the exchange packets above 1280 bytes vanish without a word.',
    actions: [{ do: 'mtu', direction: 'ix>ia2', bytes: 1_280, silent: true }],
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ia2-ix',
      alsoElements: ['ia2', 'ix'],
      states: ['slow', 'failing'],
      devices: siteA,
      applications,
    },
    settleMs: laterMs,
    // A veth takes in nothing larger than its own MTU, so batches for the collector vanish as well.
    offline: siteA,
  },
  {
    name: 'isp-b-delay',
    kinds: ['delay', 'other-site'],
    what: 'Between ISP B and the exchange every packet waits 20 ms more each way; site A is well.',
    actions: impairBoth('ib2-ix', { delayMs: 20 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ib2-ix',
      alsoElements: ['ib2', 'ix'],
      states: ['slow'],
      devices: siteB,
      applications,
    },
    settleMs: soonMs,
  },
  {
    name: 'isp-b-loss-up',
    kinds: ['loss', 'one-way-loss'],
    what: 'ISP B loses every fifth packet on its way out; answers come back whole.',
    actions: [impair('ib1>ib2', { lossRatio: 0.2 })],
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ib1-ib2',
      alsoElements: ['ib1', 'ib2'],
      states: ['slow', 'failing'],
      devices: siteB,
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'isp-b-loss-down',
    kinds: ['loss', 'reverse-loss'],
    what: 'ISP B loses every fifth packet on its way back; requests arrive whole.',
    actions: [impair('ib2>ib1', { lossRatio: 0.2 })],
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ib1-ib2',
      alsoElements: ['ib1', 'ib2'],
      states: ['slow', 'failing'],
      devices: siteB,
      applications,
    },
    settleMs: laterMs,
  },
];

/** From the device to where its provider ends. */
export const accessFaults: readonly Fault[] = [...localFaults, ...lineFaults, ...ispFaults];
