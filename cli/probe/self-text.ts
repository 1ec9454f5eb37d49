import type { Checked } from '#agent/self-check.ts';
import { showMs } from './lines.ts';

const why = {
  'agent-overloaded': 'this machine was too busy',
  'clock-jumped': 'the clock was set meanwhile',
  asleep: 'this machine slept meanwhile',
} as const;

/** Nothing where the figures are worth what they say. */
export const describeSelf = ({ self, distortion }: Checked): string[] =>
  distortion === 'none'
    ? []
    : [
        `DISTORTED  ${why[distortion]} (timers late by ${showMs(self.eventLoopDelayMs)}, ${showMs(self.longestDelayMs ?? null)} at most): the times above are no evidence`,
      ];
