import { createServer, type Socket } from 'node:net';
import type { Log } from '#runtime/log.ts';
import { listenOnLoopback } from './listen.ts';
import type { FactsOf, NotOpened, Open } from './open.ts';
import { relay } from './relay.ts';
import type { Destination } from './route.ts';

export type Socks = { address: { host: string; port: number }; stop(): Promise<void> };

const handshakeMs = 10_000;

/** SOCKS5 (RFC 1928) without authentication, CONNECT only, on loopback. */
export const startSocks = async (options: {
  host: string;
  port: number;
  open: Open;
  /** What is known of whoever connects; left out: nothing. */
  factsOf?: FactsOf;
  log: Log;
}): Promise<Socks> => {
  const log = options.log.child({ component: 'socks' });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('close', () => sockets.delete(client));
    serve(client, options).catch((error) => {
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

const serve = async (
  client: Socket,
  { open, factsOf }: { open: Open; factsOf?: FactsOf },
): Promise<void> => {
  const timer = setTimeout(() => client.destroy(), handshakeMs);
  const abort = new AbortController();
  const onClose = () => {
    clearTimeout(timer);
    abort.abort();
  };
  client.once('close', onClose);
  const reader = createReader(client);

  const request = await readRequest(client, reader);
  if (typeof request === 'string') return end(client, undefined);
  if (typeof request === 'number') return end(client, request);
  clearTimeout(timer);
  const head = reader.release();
  const opened = await open({ ...(await factsOf?.(client)), ...request }, abort.signal);
  client.off('close', onClose);
  if (!opened.ok) return end(client, replyTo(opened));
  if (!client.destroyed) client.write(answer(reply.succeeded));
  relay(client, opened, head);
};

/** The destination, a reply that refuses it, or 'end' for a client that does not speak SOCKS5. */
const readRequest = async (
  client: Socket,
  reader: Reader,
): Promise<Destination | Reply | 'end'> => {
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
  if (request[1] !== 1) return reply.commandNotSupported;
  return port === 0 || host === '' ? reply.generalFailure : { host, port };
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

/** The bound address is not known to us (the edge holds that socket): 0.0.0.0:0, as others do. */
const answer = (code: Reply): Buffer => Buffer.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0);

const replyTo = ({ status, headers }: NotOpened): Reply => {
  const error = /error=([a-z_]+)/.exec(headers['proxy-status'] ?? '')?.[1];
  if (status === 403) return reply.notAllowed;
  if (status === 504) return reply.ttlExpired;
  if (error === 'connection_refused') return reply.refused;
  if (error === 'dns_error' || error === 'destination_unavailable') return reply.hostUnreachable;
  return reply.generalFailure;
};
