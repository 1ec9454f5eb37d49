import { createServer, isIP, type Socket } from 'node:net';
import type { Log } from '#runtime/log.ts';
import { listenOnLoopback } from './listen.ts';
import type { FactsOf, NotOpened, Open } from './open.ts';
import type { OpenUdp } from './open-udp.ts';
import { relay } from './relay.ts';
import type { Destination } from './route.ts';
import { startSocksUdp } from './socks-udp.ts';

export type Socks = { address: { host: string; port: number }; stop(): Promise<void> };

const handshakeMs = 10_000;
/** Each has a socket of its own. */
const maxAssociations = 256;

/** SOCKS5 (RFC 1928) without authentication on loopback: CONNECT, and UDP ASSOCIATE. */
export const startSocks = async (options: {
  host: string;
  port: number;
  open: Open;
  /** What is known of whoever connects; left out: nothing. */
  factsOf?: FactsOf;
  /** Left out: TCP only. */
  openUdp?: OpenUdp;
  log: Log;
}): Promise<Socks> => {
  const log = options.log.child({ component: 'socks' });
  const associations = { count: 0 };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('close', () => sockets.delete(client));
    serve(client, { ...options, associations, log }).catch((error) => {
      log.error({ err: error }, 'flow failed inside the agent');
      client.destroy();
    });
  });
  server.maxConnections = 10_000;
  const address = await listenOnLoopback(server, options);
  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const command = { connect: 1, udpAssociate: 3 } as const;
const reply = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;
type Reply = (typeof reply)[keyof typeof reply];

type Parts = {
  open: Open;
  factsOf?: FactsOf;
  openUdp?: OpenUdp;
  associations: { count: number };
  log: Log;
};

const serve = async (client: Socket, parts: Parts): Promise<void> => {
  const timer = setTimeout(() => client.destroy(), handshakeMs);
  const abort = new AbortController();
  const onClose = () => {
    clearTimeout(timer);
    abort.abort();
  };
  client.once('close', onClose);
  const reader = createReader(client);

  const request = await readRequest(client, reader, parts.openUdp !== undefined);
  if (typeof request === 'string') return end(client, undefined);
  if (typeof request === 'number') return end(client, request);
  clearTimeout(timer);
  const head = reader.release();
  if (request.isUdp) return associate(client, request, parts);
  const { host, port } = request;
  const facts = await parts.factsOf?.(client);
  const opened = await parts.open({ ...facts, host, port }, abort.signal);
  client.off('close', onClose);
  if (!opened.ok) return end(client, replyTo(opened));
  if (!client.destroyed) client.write(answer(reply.succeeded));
  relay(client, opened, head);
};

/** The association lasts as long as the connection that asked for it. */
const associate = async (client: Socket, announced: Destination, parts: Parts): Promise<void> => {
  const { openUdp, associations, log } = parts;
  if (!openUdp || associations.count >= maxAssociations) return end(client, reply.generalFailure);
  associations.count += 1;
  const closed = new Promise<void>((resolve) => void client.once('close', () => resolve()));
  try {
    const facts = await parts.factsOf?.(client);
    const udp = await startSocksUdp({ client, announced, facts, openUdp, log });
    if (client.destroyed) return udp.stop();
    client.write(answer(reply.succeeded, udp.address));
    client.once('end', () => client.end());
    client.resume();
    await closed;
    udp.stop();
  } finally {
    associations.count -= 1;
  }
};

/** The destination, a reply that refuses it, or 'end' for a client that does not speak SOCKS5. */
const readRequest = async (
  client: Socket,
  reader: Reader,
  hasUdp: boolean,
): Promise<(Destination & { isUdp: boolean }) | Reply | 'end'> => {
  const greeting = await reader.take(2);
  if (greeting?.[0] !== 5) return 'end';
  const methods = await reader.take(greeting[1] ?? 0);
  if (!methods?.includes(0)) {
    // 0xff: no acceptable methods.
    if (methods) client.write(Buffer.of(5, 0xff));
    return 'end';
  }
  client.write(Buffer.of(5, 0));
  const request = await reader.take(4);
  if (request?.[0] !== 5 || request[2] !== 0) return request ? reply.generalFailure : 'end';
  const host = await readHost(reader, request[3] ?? 0);
  if (typeof host !== 'string') return host ?? 'end';
  const port = (await reader.take(2))?.readUInt16BE(0);
  if (port === undefined) return 'end';
  if (request[1] === command.udpAssociate && hasUdp) return { host, port, isUdp: true };
  if (request[1] !== command.connect) return reply.commandNotSupported;
  return port === 0 || host === '' ? reply.generalFailure : { host, port, isUdp: false };
};

const readHost = async (reader: Reader, type: number): Promise<string | Reply | undefined> => {
  if (type === 1) return (await reader.take(4))?.join('.');
  if (type === 4) {
    const address = await reader.take(16);
    return address?.toString('hex').match(/.{4}/g)?.join(':');
  }
  if (type !== 3) return reply.addressTypeNotSupported;
  const length = (await reader.take(1))?.[0];
  const name = length === undefined ? undefined : (await reader.take(length))?.toString('latin1');
  if (name === undefined) return undefined;
  return /^[^\s/?#@:[\]\\]*$/.test(name) || isV6(name) ? name : reply.generalFailure;
};

const isV6 = (name: string): boolean => /^[0-9a-fA-F:.]+$/.test(name);

type Reader = {
  /** Exactly so many bytes; undefined when the client ends before. */
  take(byteCount: number): Promise<Buffer | undefined>;
  /** Stops reading and gives back what was read ahead. */
  release(): Buffer;
};

/** A SOCKS5 handshake has at most 2 + 255 + 4 + 1 + 255 + 2 bytes. */
const maxHandshakeBytes = 1_024;

const createReader = (client: Socket): Reader => {
  let kept = Buffer.alloc(0);
  let ended = false;
  let wake = () => {};
  const onData = (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    // The rest stays in the kernel: no client fills our memory before it has a flow.
    if (kept.length > maxHandshakeBytes) client.pause();
    wake();
  };
  const onEnd = () => {
    ended = true;
    wake();
  };
  client.on('data', onData).on('end', onEnd).on('close', onEnd);
  return {
    async take(byteCount) {
      while (kept.length < byteCount && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (kept.length < byteCount) return undefined;
      const taken = kept.subarray(0, byteCount);
      kept = kept.subarray(byteCount);
      return taken;
    },
    release() {
      client.pause();
      client.off('data', onData).off('end', onEnd).off('close', onEnd);
      return kept;
    },
  };
};

const end = (client: Socket, code: Reply | undefined): void => {
  if (client.destroyed) return;
  client.once('finish', () => client.destroySoon());
  client.resume();
  if (code === undefined) client.end();
  else client.end(answer(code));
};

/** The address bound for a connection is not known to us (the edge has it): 0.0.0.0:0, as others do. */
const answer = (code: Reply, bound: Destination = { host: '0.0.0.0', port: 0 }): Buffer => {
  const address =
    isIP(bound.host) === 6 ? [4, ...loopbackSix] : [1, ...bound.host.split('.').map(Number)];
  return Buffer.of(5, code, 0, ...address, bound.port >> 8, bound.port & 255);
};

/** Of IPv6 the proxy listens on nothing else. */
const loopbackSix = [...Array<number>(15).fill(0), 1];

const replyTo = ({ status, headers }: NotOpened): Reply => {
  const error = /error=([a-z_]+)/.exec(headers['proxy-status'] ?? '')?.[1];
  if (status === 403) return reply.notAllowed;
  if (status === 504) return reply.ttlExpired;
  if (error === 'connection_refused') return reply.refused;
  if (error === 'dns_error' || error === 'destination_unavailable') return reply.hostUnreachable;
  return reply.generalFailure;
};
