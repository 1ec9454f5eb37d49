import { createHash } from 'node:crypto';
import type { SharedIncident } from '#contract/verdict.ts';

/** The same cause in the same bin is the same incident, wherever and whenever it is judged. */
export const incidentId = (key: string, fromMs: number): string => {
  const hash = createHash('sha256').update(`${key}\n${fromMs}`).digest('hex');
  // RFC 9562 §5.8: version 8, the bits are ours but for version and variant.
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
};

/** 1, 5 and 10 % of the active devices, as operators know the steps from the market's products. */
export const levelOf = (deviceCount: number, activeCount: number): SharedIncident['level'] => {
  if (deviceCount <= 1) return 'one-user';
  const share = deviceCount / Math.max(1, activeCount);
  if (share < 0.01) return 'few';
  return share < 0.05 ? 'low' : share < 0.1 ? 'medium' : 'high';
};
