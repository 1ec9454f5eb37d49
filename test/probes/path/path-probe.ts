import type { PathProbe } from '#contract/plan.ts';

export const pathProbe = (host: string, changes: Partial<PathProbe> = {}): PathProbe => ({
  type: 'path',
  id: 'path',
  appId: 'app',
  via: 'direct',
  intervalMs: 60_000,
  timeoutMs: 10_000,
  host,
  protocol: 'icmp',
  port: 443,
  packetCount: 5,
  maxHops: 30,
  ...changes,
});
