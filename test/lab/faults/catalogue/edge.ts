import type { Fault } from '../fault.ts';
import { applications, devices, hosted, impairBoth, laterMs, soonMs } from './words.ts';

/** The wiki's answers cross the link between exchange and edge on both legs. */
const wikiOnBothLegs = {
  segments: ['client-edge', 'edge-origin'],
  states: ['slow'],
  devices,
  applications: ['wiki'],
} as const;

/** The near edge and its links. */
export const edgeFaults: readonly Fault[] = [
  {
    name: 'edge-link-delay',
    kinds: ['delay'],
    what: 'The near edge’s link to the exchange adds 12 ms each way: too little to change edges.',
    actions: impairBoth('ix-e1', { delayMs: 12 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ix-e1',
      alsoElements: ['ix', 'e1'],
      states: ['slow'],
      devices,
      applications: hosted,
      also: [wikiOnBothLegs],
    },
    settleMs: soonMs,
  },
  {
    name: 'edge-far-away',
    kinds: ['far-edge'],
    what: 'The near edge’s link adds 40 ms each way, so that devices are led to the far edge.',
    actions: impairBoth('ix-e1', { delayMs: 40 }),
    truth: {
      blame: 'segment',
      segments: ['client-edge'],
      element: 'ix-e1',
      alsoElements: ['ix', 'e1', 'e2', 'far'],
      states: ['slow'],
      devices,
      applications: hosted,
      also: [wikiOnBothLegs],
    },
    settleMs: laterMs,
    movesEdge: true,
  },
  {
    // What a device knows: e1 answers no more, and the way to e2 is 34 ms longer (times four), the
    // way from there 25 ms (times three).
    name: 'edge-hangs',
    kinds: ['far-edge'],
    what: 'The near edge hangs, its machine still answers pings: devices fall back to the far one.',
    actions: [{ do: 'program', program: 'edge-e1', effect: 'stop' }],
    truth: {
      blame: 'segment',
      segments: ['client-edge', 'in-edge'],
      element: 'e1',
      alsoElements: ['e2', 'ix-far', 'far-e2', 'far'],
      states: ['slow', 'failing'],
      devices,
      applications: hosted,
      also: [
        {
          segments: ['client-edge', 'in-edge', 'edge-origin'],
          states: ['slow', 'failing'],
          devices,
          applications: ['wiki'],
        },
      ],
    },
    settleMs: laterMs,
    movesEdge: true,
  },
  {
    name: 'edge-overloaded',
    kinds: ['overloaded-edge'],
    what: 'The near edge is out of CPU: it stands still for 60 ms in every 75.',
    actions: [
      {
        do: 'program',
        program: 'edge-e1',
        effect: 'duty-cycle',
        stoppedMs: 60,
        runningMs: 15,
      },
    ],
    truth: {
      blame: 'segment',
      segments: ['in-edge'],
      element: 'e1',
      states: ['slow'],
      devices,
      applications,
    },
    settleMs: laterMs,
  },
  {
    // Only the handshake shows it: from the edge it looks like a slow way, from its CPU like nothing.
    name: 'edge-slow-connect',
    kinds: ['slow-connect'],
    what: 'The near edge’s way out holds new connections back for 150 ms.',
    actions: [{ do: 'shim', key: 'syn:e1', add: { delayMs: 150 } }],
    truth: {
      blame: 'segment',
      segments: ['edge-origin', 'in-edge'],
      element: 'e1',
      states: ['slow'],
      devices,
      applications,
    },
    settleMs: soonMs,
  },
  {
    name: 'edge-egress-delay',
    kinds: ['delay', 'other-path'],
    what: 'The near edge’s link to the transit adds 15 ms each way; what goes over the exchange is well.',
    actions: impairBoth('e1-t1', { delayMs: 15 }),
    truth: {
      blame: 'segment',
      segments: ['edge-origin'],
      element: 'e1-t1',
      alsoElements: ['e1', 't1'],
      states: ['slow'],
      devices,
      applications: hosted,
    },
    settleMs: soonMs,
  },
];
