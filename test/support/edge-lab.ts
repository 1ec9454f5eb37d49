import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { createTunnel, type Tunnel } from '#agent/tunnel/tunnel.ts';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import type { EdgeConfig, EdgeEntry } from '#contract/policy.ts';
import { type EdgeServer, startEdgeServer } from '#edge/server.ts';
import type { EdgeCertificate } from '#edge/session.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { createTestAuthority } from '#test/support/certificates.ts';

/** Edges, devices and origins of one test file, on loopback, and how to end them all. */
export const createEdgeLab = async () => {
  const authority = await createTestAuthority();
  const ends: (() => unknown)[] = [];
  const notAfter = Date.now() + 86_400_000;

  const device = async (deviceId: string = randomUUID()): Promise<Identity> => ({
    role: 'device',
    id: deviceId,
    caCertificatePem: authority.certificatePem,
    ...(await issueWithKey(authority, {
      commonName: deviceId,
      notAfter,
      uris: [identityUri('device', deviceId)],
      usages: ['client'],
    })),
  });

  const edgeCertificate = async (edgeId: string): Promise<EdgeCertificate> => ({
    caCertificatePem: authority.certificatePem,
    ...(await issueWithKey(authority, {
      commonName: edgeId,
      notAfter,
      dnsNames: [edgeServerName(edgeId)],
      uris: [identityUri('edge', edgeId)],
      usages: ['server', 'client'],
    })),
  });

  const edge = async (
    edgeId: string,
    policy: Partial<EdgeConfig> = {},
    dnsServers?: string[],
    idleMs?: number,
  ): Promise<{ server: EdgeServer; entry: EdgeEntry; policy: EdgeConfig }> => {
    const server = await startEdgeServer({
      edgeId,
      listen: { host: '127.0.0.1', port: 0 },
      certificate: await edgeCertificate(edgeId),
      ...(dnsServers ? { dnsServers } : {}),
      ...(idleMs === undefined ? {} : { idleMs }),
      log: silentLog(),
    });
    ends.push(() => server.stop(0));
    const full = { ...emptyPolicy(edgeId), ...policy };
    server.setPolicy(full);
    return { server, entry: entryOf(edgeId, server.address.port), policy: full };
  };

  const tunnel = async (
    edges: EdgeEntry[],
    options: { pinned?: string; identity?: Identity; now?: () => number; roundMs?: number } = {},
  ): Promise<Tunnel> => {
    const identity = options.identity ?? (await device());
    const made = createTunnel({
      identity: () => identity,
      log: silentLog(),
      pingIntervalMs: 200,
      ...(options.now ? { now: options.now } : {}),
      ...(options.roundMs === undefined ? {} : { roundMs: options.roundMs }),
    });
    ends.push(() => made.stop());
    made.setEdges(edges, options.pinned ?? '');
    return made;
  };

  /** A TCP server on loopback; ends with the lab. */
  const origin = async (onSocket: (socket: Socket) => void): Promise<Server & { port: number }> => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
      onSocket(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return Object.assign(server, { port: (server.address() as AddressInfo).port });
  };

  return {
    authority,
    device,
    edgeCertificate,
    edge,
    tunnel,
    origin,
    onStop: (end: () => unknown) => void ends.push(end),
    async stop() {
      for (const end of ends.splice(0).reverse()) await end();
    },
  };
};

export type EdgeLab = Awaited<ReturnType<typeof createEdgeLab>>;

export const entryOf = (edgeId: string, port: number): EdgeEntry => ({
  id: edgeId,
  host: '127.0.0.1',
  port,
  serverName: edgeServerName(edgeId),
  location: 'loopback',
});

export const emptyPolicy = (edgeId: string): EdgeConfig => ({
  kind: 'edge-config',
  version: 1,
  revision: '1',
  issuedAt: Date.now(),
  edgeId,
  access: [],
  privateApplications: [],
  onward: [],
  revokedDevices: [],
  sampleIntervalMs: 60_000,
});

/** Makes `app.test` and everything under it a private application on loopback. */
export const loopbackApplication = {
  privateApplications: [
    {
      appId: 'app',
      hosts: ['.app.test'],
      ports: [],
      addresses: { 'app.test': '127.0.0.1', 'dead.app.test': '127.0.0.1' },
    },
  ],
} satisfies Partial<EdgeConfig>;

/** A TCP relay that holds every chunk back for `delayMs` each way; a stand-in for distance. */
export const startDelayingRelay = async (
  targetPort: number,
  delayMs: number,
): Promise<{
  port: number;
  /** From now on nothing passes any more, and nobody is told. */
  freeze(): void;
  stop(): void;
}> => {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('data', (chunk) => {
        if (!isFrozen) setTimeout(() => to.destroyed || to.write(chunk), delayMs);
      });
      from.on('close', () => setTimeout(() => to.destroy(), delayMs));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      isFrozen = true;
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

export const sha256 = (...chunks: Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
};

/** All a stream gives until its end. A `for await` would destroy a Duplex that still has to write. */
export const readAll = (stream: Readable): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('closed before its end')));
  });
