import { startHttpProxy } from '#agent/forwarding/http-proxy.ts';
import { createOpen } from '#agent/forwarding/open.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

export type AgentSettings = { identity: Identity; edges: EdgeEntry[] };

/** The agent's tunnel and local proxy, up, without a collector. */
export const startAgentOfBench = async ({ identity, edges }: AgentSettings) => {
  const log = silentLog();
  const tunnel = createTunnel({ identity: () => identity, log });
  tunnel.setEdges(edges, edges[0]?.id ?? '');
  await waitUntil(() => tunnel.status().state === 'up');
  const policy = compileRoutePolicy(
    { mode: 'tunnel', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
    { services: [], listeners: [] },
  );
  const open = createOpen({ tunnel, policy: () => policy, log });
  const proxy = await startHttpProxy({ host: '127.0.0.1', port: 0, open, pac: () => '', log });
  return { tunnel, open, proxyPort: proxy.address.port };
};
