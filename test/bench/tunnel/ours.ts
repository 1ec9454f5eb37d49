import { edgeServerName } from '#contract/enrollment.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { IpForwardingConfig } from '#edge/ip/config.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Materials } from './materials.ts';
import type { Processes, Role } from './processes.ts';
import type { Way } from './way.ts';

export type Ours = Way & { agent: Role; edge: Role };

/** Agent and edge, each a process; by default both on loopback. */
export const startOurs = async (options: {
  processes: Processes;
  materials: Materials;
  originPort: number;
  link?: EdgeLink;
}): Promise<Ours> => {
  const { processes, materials, link } = options;
  const { role: edge, entry } = await startEdgeRole(processes, materials.edge, link);
  const agent = await startAgentRole(processes, materials, [entry], link);
  return {
    name: 'whyslow',
    pids: [agent.role.pid, edge.pid],
    farPid: edge.pid,
    target: { host: 'bench.test', port: options.originPort },
    proxyPort: agent.proxyPort,
    ...(link ? { namespace: link.near } : {}),
    agent: agent.role,
    edge,
  };
};

export type EdgeLink = { near: string; far: string; edgeAddress: string };

export const startEdgeRole = async (
  processes: Processes,
  certificate: Identity,
  link: EdgeLink | undefined,
  port = 0,
  ipForwarding?: IpForwardingConfig,
): Promise<{ role: Role; entry: EdgeEntry }> => {
  const host = link?.edgeAddress ?? '127.0.0.1';
  const role = await processes.role(
    'tunnel-role.ts',
    { role: 'edge', certificate, listen: { host, port }, originAddress: '127.0.0.1', ipForwarding },
    { namespace: link?.far },
  );
  const entry = {
    id: certificate.id,
    host,
    port: (role.first as { port: number }).port,
    serverName: edgeServerName(certificate.id),
    location: 'bench',
  };
  return { role, entry };
};

/** Its first edge is the one it keeps to while that is up. */
export const startAgentRole = async (
  processes: Processes,
  materials: Materials,
  edges: readonly EdgeEntry[],
  link: EdgeLink | undefined,
): Promise<{ role: Role; proxyPort: number }> => {
  const role = await processes.role(
    'tunnel-role.ts',
    { role: 'agent', identity: materials.device, edges },
    { namespace: link?.near },
  );
  return { role, proxyPort: (role.first as { port: number }).port };
};
