import type { Fault } from '../fault.ts';
import { applications, laterMs, siteA } from './words.ts';

/** The device itself, and the states in which nothing may be said of any application. */
export const deviceFaults: readonly Fault[] = [
  {
    // At 8 % the agent's requests took 0 (docs) to 41 ms (crm) more in the middle: below what counts as suffering.
    name: 'device-busy',
    kinds: ['busy-device'],
    what: 'Device a1 has no CPU to spare: the agent and its browser get 4 % of one.',
    actions: [{ do: 'program', program: 'agent-a1', effect: 'cpu-quota', ratio: 0.04 }],
    truth: {
      blame: 'segment',
      segments: ['device'],
      element: 'a1',
      states: ['slow'],
      devices: ['a1'],
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'device-stalls',
    kinds: ['busy-device'],
    what: 'Device b1 freezes for 80 ms in every 100, as one that swaps does.',
    actions: [
      {
        do: 'program',
        program: 'agent-b1',
        effect: 'duty-cycle',
        stoppedMs: 80,
        runningMs: 20,
      },
    ],
    truth: {
      blame: 'segment',
      segments: ['device'],
      element: 'b1',
      states: ['slow'],
      devices: ['b1'],
      applications,
    },
    settleMs: laterMs,
  },
  {
    name: 'device-link-down',
    kinds: ['link-down'],
    what: 'Device a2 has its network cable out.',
    actions: [{ do: 'link-down', link: 'a2-apa' }],
    truth: { blame: 'third-state', devices: ['a2'] },
    settleMs: laterMs,
    offline: ['a2'],
  },
  {
    name: 'device-suspended',
    kinds: ['suspended-device'],
    what: 'Device a2 sleeps: nothing of the agent runs until it is woken.',
    actions: [{ do: 'program', program: 'agent-a2', effect: 'stop' }],
    truth: { blame: 'third-state', devices: ['a2'] },
    settleMs: laterMs,
    offline: ['a2'],
  },
  {
    name: 'captive-portal',
    kinds: ['captive-portal'],
    what: 'The gateway of site A sends everyone to its login page and lets nothing else through.',
    actions: [{ do: 'captive-portal', gateway: 'gwa' }],
    truth: { blame: 'third-state', devices: siteA },
    settleMs: laterMs,
    offline: siteA,
  },
];
