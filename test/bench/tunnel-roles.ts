/** The processes of the tunnel bench: `tunnel-roles.ts source|edge|agent SETTINGS`. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { startHttpProxy } from '#agent/forwarding/http-proxy.ts';
import { createOpen } from '#agent/forwarding/open.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import { startEdgeServer } from '#edge/server.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { benchBlock } from './tunnel-block.ts';

const [role = '', text = '{}'] = process.argv.slice(2);
process.stdin.on('end', () => process.exit()).resume();

/** Sends what it is asked for: a block of 1 MiB over and over, after `G<bytes>\n`; else it echoes. */
const source = async (): Promise<number> => {
  const block = benchBlock();
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => {
      if (first[0] !== 0x47) {
        socket.write(first);
        return socket.pipe(socket);
      }
      let left = Number(first.subarray(1).toString());
      const more = () => {
        while (left > 0) {
          const size = Math.min(left, block.length);
          left -= size;
          if (!socket.write(block.subarray(0, size))) return;
        }
        socket.end();
      };
      socket.on('drain', more);
      return more();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const edge = async (certificate: Identity): Promise<number> => {
  const server = await startEdgeServer({
    edgeId: 'bench',
    listen: { host: '127.0.0.1', port: 0 },
    certificate,
    log: silentLog(),
  });
  server.setPolicy({
    ...emptyPolicy('bench'),
    privateApplications: [
      { appId: 'b', hosts: ['bench.test'], ports: [], addresses: { 'bench.test': '127.0.0.1' } },
    ],
  });
  return server.address.port;
};

const agent = async (settings: { entry: EdgeEntry; identity: Identity }): Promise<number> => {
  const log = silentLog();
  const tunnel = createTunnel({ identity: () => settings.identity, log });
  tunnel.setEdges([settings.entry], '');
  await waitUntil(() => tunnel.status().state === 'up');
  const policy = compileRoutePolicy(
    { mode: 'tunnel', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
    { services: [], listeners: [] },
  );
  const open = createOpen({ tunnel, policy: () => policy, log });
  const proxy = await startHttpProxy({ host: '127.0.0.1', port: 0, open, pac: () => '', log });
  return proxy.address.port;
};

const settings = JSON.parse(text);
const port =
  role === 'source'
    ? await source()
    : role === 'edge'
      ? await edge(settings)
      : await agent(settings);
process.stdout.write(`${port}\n`);
