/** Grafana's identifier of each dashboard: part of links, so it never changes. */
export const uids = {
  application: 'whyslow-application',
  device: 'whyslow-device',
  edges: 'whyslow-edges',
} as const;
