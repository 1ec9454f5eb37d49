/** An agent that captures TCP and has its proxy beside it, without a collector. Runs as root. */
import { createInterface } from 'node:readline';
import { createNames } from '#agent/capture/names.ts';
import { captureCommands } from '#agent/capture/rules.ts';
import { startTcpCapture } from '#agent/capture/tcp.ts';
import { startHttpProxy } from '#agent/forwarding/http-proxy.ts';
import { createOpen } from '#agent/forwarding/open.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import { openLibc } from '#runtime/kernel/libc.ts';
import { holdTable } from '#runtime/kernel/owned-table.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const { identity, edges } = JSON.parse(process.argv[2] ?? '{}') as {
  identity: Identity;
  edges: EdgeEntry[];
};
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
const libc = await openLibc();
if (libc === undefined) throw new Error('koffi cannot be loaded');
const capture = await startTcpCapture({
  ...{ libc, open, names: createNames(), processOf: () => undefined, log },
  confirm: async (flow) => flow,
});
const nothing = { four: [], six: [] };
const table = await holdTable({ family: 'inet', name: 'whyslow_capture_bench', onLost: () => {} });
await table.run(
  captureCommands({
    table: table.name,
    own: { uids: [0] },
    past: { tcp: nothing, udp: nothing },
    ...{ tcpPort: capture.port, dns: [], udp: undefined },
  }),
);
console.log(JSON.stringify({ port: proxy.address.port }));
for await (const _ of createInterface({ input: process.stdin })) console.log('{}');
process.exit(0);
