import type { Fault } from '../fault.ts';
import { devices, impair, impairBoth, laterMs, nobody, soonMs } from './words.ts';

const controls: readonly Fault[] = [
  {
    name: 'healthy',
    kinds: ['healthy'],
    what: 'Nothing is wrong.',
    actions: [],
    truth: nobody,
    settleMs: 0,
  },
  {
    name: 'healthy-weather',
    kinds: ['healthy', 'jitter'],
    what: 'The usual weather: half a millisecond of jitter on four links.',
    actions: ['ia1-ia2', 'ib1-ib2', 'e1-t1', 't2-d'].flatMap((link) =>
      impairBoth(link, { jitterMs: 0.5 }),
    ),
    truth: nobody,
    settleMs: soonMs,
  },
  {
    // 3 ms of round trip, times four: what nobody notices.
    name: 'healthy-small-rise',
    kinds: ['healthy', 'delay'],
    what: 'Inside ISP A packets wait 1.5 ms more each way: a change, and no reason to call anyone.',
    actions: impairBoth('ia1-ia2', { delayMs: 1.5 }),
    truth: nobody,
    settleMs: soonMs,
  },
];

/** Routers that answer late, seldom or never, and forward as ever. */
const icmpDecoys: readonly Fault[] = [
  {
    name: 'late-icmp-isp',
    kinds: ['late-icmp'],
    what: 'The core router of ISP A answers expired packets 150 ms late.',
    actions: [{ do: 'shim', key: 'time-exceeded:ia2', add: { delayMs: 150 } }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'late-icmp-transit',
    kinds: ['late-icmp', 'jitter'],
    what: 'Transit router 1 answers expired packets 40 ms late and unevenly.',
    actions: [{ do: 'shim', key: 'time-exceeded:t1', add: { delayMs: 40, jitterMs: 30 } }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'silent-exchange',
    kinds: ['silent-hop'],
    what: 'The exchange’s router never answers expired packets.',
    actions: [{ do: 'shim', key: 'time-exceeded:ix', add: { lossRatio: 1 } }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'silent-isp',
    kinds: ['silent-hop'],
    what: 'Neither router of ISP B answers expired packets.',
    actions: [
      { do: 'shim', key: 'time-exceeded:ib1', add: { lossRatio: 1 } },
      { do: 'shim', key: 'time-exceeded:ib2', add: { lossRatio: 1 } },
    ],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'lossy-icmp-isp',
    kinds: ['silent-hop', 'icmp-rate-limit'],
    what: 'The access router of ISP A answers four expired packets in ten.',
    actions: [{ do: 'shim', key: 'time-exceeded:ia1', add: { lossRatio: 0.6 } }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'limited-icmp-isp',
    kinds: ['icmp-rate-limit'],
    what: 'The core router of ISP B sends one ICMP error a second to each address, as kernels do.',
    actions: [{ do: 'icmp-limit', node: 'ib2', everyMs: 1_000 }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'limited-icmp-transit',
    kinds: ['icmp-rate-limit'],
    what: 'Transit router 1 sends one ICMP error every two seconds to each address.',
    actions: [{ do: 'icmp-limit', node: 't1', everyMs: 2_000 }],
    truth: nobody,
    settleMs: soonMs,
  },
];

/** Real faults where nobody's requests pass. */
const elsewhereDecoys: readonly Fault[] = [
  {
    // Straight probes of the CRM see it; the application is used through the tunnel.
    name: 'straight-path-delay',
    kinds: ['other-path', 'delay'],
    what: 'The straight path from the exchange to the transit adds 40 ms each way; the tunnel’s does not use it.',
    actions: impairBoth('ix-t1', { delayMs: 40 }),
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'isp-resolver-slow',
    kinds: ['other-path', 'slow-dns'],
    what: 'The resolver of ISP A takes 300 ms to answer; what the tunnel carries is looked up at the edge.',
    actions: [{ do: 'service', node: 'nsa', set: { delayMs: 300 } }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'far-edge-delay',
    kinds: ['other-path', 'far-edge'],
    what: 'The far edge, which nobody uses, is 30 ms further away each way.',
    actions: impairBoth('far-e2', { delayMs: 30 }),
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'far-edge-gone',
    kinds: ['other-path', 'far-edge'],
    what: 'The far edge, which nobody uses, hangs.',
    actions: [{ do: 'program', program: 'edge-e2', effect: 'stop' }],
    truth: nobody,
    settleMs: laterMs,
  },
  {
    name: 'equal-path-change',
    kinds: ['path-change', 'ecmp-branch-loss'],
    what: 'One of two equal transit paths is taken out: all goes over the other, as fast as before.',
    actions: [{ do: 'metric', link: 't1-t2', metric: 50 }],
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'collector-slow',
    kinds: ['collector-path'],
    what: 'The collector is 80 ms further away each way.',
    actions: impairBoth('ix-col', { delayMs: 80 }),
    truth: nobody,
    settleMs: soonMs,
  },
  {
    name: 'collector-cut',
    kinds: ['collector-path'],
    what: 'Nobody reaches the collector; the applications are well.',
    actions: impairBoth('ix-col', { lossRatio: 1 }),
    truth: nobody,
    settleMs: laterMs,
    offline: devices,
  },
  {
    name: 'answers-only-late',
    kinds: ['late-icmp', 'other-path'],
    what: 'The far router answers late, loses probes, and is on nobody’s way.',
    actions: [
      { do: 'shim', key: 'time-exceeded:far', add: { delayMs: 90, lossRatio: 0.5 } },
      impair('far>t1', { delayMs: 20 }),
    ],
    truth: nobody,
    settleMs: soonMs,
  },
];

/** Results are dated by the device's clock: after clearing, new ones are older than the last. */
const clockDecoys: readonly Fault[] = [
  {
    name: 'clock-forward',
    kinds: ['clock-step'],
    what: 'The clock of device b2 jumps two minutes ahead.',
    actions: [{ do: 'program', program: 'agent-b2', effect: 'clock-step', seconds: 120 }],
    truth: nobody,
    settleMs: 120_000,
  },
  {
    name: 'clock-back',
    kinds: ['clock-step'],
    what: 'The clock of device b2 falls ten minutes behind.',
    actions: [{ do: 'program', program: 'agent-b2', effect: 'clock-step', seconds: -600 }],
    truth: nobody,
    settleMs: laterMs,
  },
];

/** What must not be blamed on anyone. */
export const decoys: readonly Fault[] = [
  ...controls,
  ...icmpDecoys,
  ...elsewhereDecoys,
  ...clockDecoys,
];
