import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPreferEdges } from '#agent/forwarding/prefer-edges.ts';
import { FlowRefused } from '#agent/tunnel/refused.ts';
import type { Tunnel } from '#agent/tunnel/tunnel.ts';
import { openUdpFlow } from '#agent/tunnel/udp-flow.ts';
import { createEdgeLab, type EdgeLab } from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
beforeAll(async () => {
  lab = await createEdgeLab();
});
afterAll(() => lab.stop());

/** Lets the first connection through, the control session's, and resets every one after it. */
const startMiser = async (port: number) => {
  const sockets = new Set<Socket>();
  let connectionCount = 0;
  const server = createServer((client) => {
    connectionCount += 1;
    sockets.add(client);
    client.on('error', () => {});
    if (connectionCount > 1) return client.resetAndDestroy();
    const upstream = connect(port, '127.0.0.1');
    sockets.add(upstream);
    upstream.on('error', () => client.destroy());
    return client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onStop(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, count: () => connectionCount };
};

/** The edge that answered: both refuse everything, by name. */
const edgeFor = (opening: Promise<unknown>): Promise<string> =>
  opening.then(
    () => 'opened',
    (error) => (error instanceof FlowRefused ? error.edgeId : String(error)),
  );
const destination = { host: 'a.test', port: 443 };
type Openers = Pick<Tunnel, 'connect' | 'withSession'>;
const kinds = {
  connections: ({ connect: open }: Openers, prefer: string[]) => {
    const signal = AbortSignal.timeout(20_000);
    return edgeFor(open({ ...destination, prefer, signal }));
  },
  datagrams: ({ withSession }: Openers, prefer: string[]) => {
    const signal = AbortSignal.timeout(20_000);
    return edgeFor(
      withSession(
        (session, edgeId) => openUdpFlow({ session, edgeId, ...destination, signal }),
        signal,
        prefer,
      ),
    );
  },
};

test.each([
  ['connections', 'datagrams'],
  ['datagrams', 'connections'],
] as const)(
  'an edge that is up and carries no %s is set aside for a while, for %s too, and the next has the flow',
  async (kind, other) => {
    const access = [{ id: 'all', action: 'block' as const, hosts: ['*'], ports: [], devices: [] }];
    const good = await lab.edge('good', { access });
    const poor = await lab.edge('poor', { access });
    const miser = await startMiser(poor.entry.port);
    const tunnel = await lab.tunnel([good.entry, { ...poor.entry, port: miser.port }], {
      pinned: 'good',
      // In a round it would try the other as its standby, and be counted.
      roundMs: 600_000,
    });
    await waitUntil(() => tunnel.status().edges.every(({ isUp }) => isUp));
    let nowMs = 0;
    const preferring = createPreferEdges(tunnel, () => nowMs);
    const open = (prefer: string[]) => kinds[kind](preferring, prefer);
    expect(await open(['poor', 'good'])).toBe('good');
    const before = miser.count();
    expect(await open(['poor'])).toBe('good');
    expect(await kinds[other](preferring, ['gone', 'poor', 'good'])).toBe('good');
    expect(miser.count()).toBe(before);
    nowMs = 30_001;
    expect(await open(['poor', 'good'])).toBe('good');
    expect(miser.count()).toBeGreaterThan(before);
  },
);
