import { sayCount } from '../../wording.ts';
import { type Accepted, underTunnel } from '../accepted.ts';
import type { Findings } from './bad-pairs.ts';

/** "20 devices are noticeably slower by it" */
export const suffering = (kind: Accepted['kind'], deviceCount: number, isNow: boolean): string => {
  const who = sayCount(deviceCount, 'device');
  if (kind === 'failure') return isNow ? `${who} cannot use it` : `${who} could not use it`;
  const are = isNow ? (deviceCount === 1 ? 'is' : 'are') : deviceCount === 1 ? 'was' : 'were';
  return `${who} ${are} noticeably slower by it`;
};

/**
 * Devices that are fine and do not meet a cause; null where nobody knows who meets it. Whoever meets
 * it and is fine was counted, or may be among those that meet it and do not suffer.
 */
export const apartFrom = (
  blame: Accepted,
  { fineDeviceCount, reach }: Pick<Findings, 'fineDeviceCount' | 'reach'>,
): number | null => {
  // Edges measure the way behind them, each for many devices.
  if (blame.segment === 'edge-origin') return null;
  const { fineMeetingCount = 0, deviceCount = 0 } = reach.get(blame) ?? {};
  const unharmed = underTunnel.has(blame.segment) ? blame.observerCount - deviceCount : 0;
  const spared = Math.max(blame.healthyCount, unharmed);
  return Math.max(0, fineDeviceCount - Math.max(fineMeetingCount, spared));
};

/** "120 that do not … it" */
export const meets = ({ scope }: Accepted): string => {
  switch (scope) {
    case 'site':
    case 'region':
      return 'share it';
    case 'cohort':
      return 'have that';
    case 'edge':
    case 'front-end':
    case 'application':
      return 'use it';
    default:
      return 'cross it';
  }
};
