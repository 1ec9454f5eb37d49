import type { WorldOptions } from './options.ts';
import type { Population } from './population.ts';
import type { Topology } from './topology.ts';

/** First line of a replay (docs/replay.md): what a recording's ids are, and what devices have in common. */
export type WorldHeader = {
  kind: 'header';
  version: 1;
  binSeconds: number;
  applications: { id: string; name: string }[];
  devices: {
    id: string;
    name: string;
    site: string;
    asn: number;
    region: string;
    platform: string;
    programVersion: string;
    profile: string;
  }[];
  edges: { id: string; name: string }[];
};

export const headerOf = (
  { binSeconds }: WorldOptions,
  topology: Topology,
  { devices }: Population,
): WorldHeader => ({
  kind: 'header',
  version: 1,
  binSeconds,
  applications: topology.applications.map(({ id, name }) => ({ id, name })),
  devices: devices.map(({ id, name, site, platform, programVersion, profile }) => ({
    ...{ id, name, platform, programVersion, profile },
    site: site.id,
    asn: topology.isps[site.ispIndex]?.asn ?? 0,
    region: `region-${site.region + 1}`,
  })),
  edges: topology.edges.map(({ id }) => ({ id, name: id.replace('edge-', 'Edge ') })),
});
