import type { Application, Organisation } from '#contract/organisation.ts';
import type { LabNode, Topology } from '../topology/topology.ts';

export type OrganisationOptions = {
  /** Of HTTP probes. */
  intervalSeconds?: number;
  /** Of what devices, tunnels and edges say of themselves. */
  sampleIntervalSeconds?: number;
  /** Of traces. */
  pathIntervalSeconds?: number;
  /** Of page loads of the first application; absent: none. A load costs a CPU for about a second. */
  pageIntervalSeconds?: number;
  /** Every device uses this edge while it is up; '' leaves it to their measured round trips. */
  pinnedEdge?: string;
};

/** Longer than any healthy run by far, and short enough for a hanging one to be judged soon. */
const timeoutSeconds = 5;

/** What is watched in the lab: the servers of the topology that stand for applications. */
export const labOrganisation = (
  topology: Topology,
  options: OrganisationOptions = {},
): Organisation => ({
  version: 1,
  sampleIntervalSeconds: options.sampleIntervalSeconds ?? 1,
  forwarding: { mode: 'tunnel', pinnedEdge: options.pinnedEdge ?? '' },
  // Probes run every second or two here: a burst adds nothing but load.
  burst: { enabled: false },
  applications: applicationServers(topology).map((server, index) =>
    application(server, index === 0, options),
  ),
});

/** Application ids and the nodes that serve them: crm → s1. */
export const applicationServers = (
  topology: Topology,
): { id: string; host: string; node: LabNode }[] =>
  topology.nodes
    .filter(({ role }) => role === 'server')
    .flatMap((node) => {
      const host = node.names?.[0];
      return host === undefined || host.startsWith('cdn.')
        ? []
        : [{ id: host.split('.')[0] ?? host, host, node }];
    });

const application = (
  { id, host, node }: { id: string; host: string; node: LabNode },
  isFirst: boolean,
  options: OrganisationOptions,
): Application => {
  const isPrivate = node.address4.startsWith('10.');
  const url = `https://${host}/`;
  const page = options.pageIntervalSeconds;
  return {
    id,
    name: id === 'crm' ? 'CRM' : id.charAt(0).toUpperCase() + id.slice(1),
    hosts: [host],
    ...(isPrivate ? { private: true, ports: [443], addresses: { [host]: node.address4 } } : {}),
    probes: [
      {
        type: 'http',
        url,
        intervalSeconds: options.intervalSeconds ?? 1,
        timeoutSeconds,
        via: isFirst ? 'both' : 'tunnel',
      },
      // A private address cannot be traced from outside.
      ...(isPrivate
        ? []
        : [
            {
              type: 'path' as const,
              host,
              intervalSeconds: options.pathIntervalSeconds ?? 5,
              timeoutSeconds: 10,
            },
          ]),
      ...(isFirst && page !== undefined
        ? [{ type: 'page-load' as const, url, intervalSeconds: page, timeoutSeconds: 20 }]
        : []),
    ],
  };
};
