import type { HttpResult } from '#contract/result.ts';
import { requestOf } from './seed-results.ts';

const everyMs = 5_000;

/**
 * HTTP runs of one device and application through the tunnel and direct: `usualCount` as always,
 * then `slowCount` in which the server takes a second longer, then `recoveredCount` as before.
 * The last one started just before `endMs`.
 */
export const slowResults = (options: {
  deviceId: string;
  appId: string;
  endMs: number;
  usualCount: number;
  slowCount: number;
  recoveredCount?: number;
}): HttpResult[] => {
  const { usualCount, slowCount, recoveredCount = 0 } = options;
  const count = usualCount + slowCount + recoveredCount;
  return Array.from({ length: count }, (_, index) => {
    const run = {
      device: { id: options.deviceId, edge: 'fra-1' },
      application: { id: options.appId, host: 'app.test', story: 'server-slow' },
      at: options.endMs - (count - index) * everyMs,
      isSlow: index >= usualCount && index < usualCount + slowCount,
    };
    return (['tunnel', 'direct'] as const).map((via) => requestOf({ ...run, via }));
  }).flat();
};
