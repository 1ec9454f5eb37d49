import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { type Answer, type DecodedPacket, decode, encode, type Question } from 'dns-packet';
import type { createTestAuthority } from './certificates.ts';

type Transport = 'udp' | 'tcp' | 'tls' | 'https';

/** How a question is answered; everything left out is what a healthy recursive server does. */
export type DnsReaction = {
  answers?: Answer[];
  /** RFC 1035 section 4.1.1. */
  rcode?: number;
  /** AD: the server validated the answer. */
  isAuthenticated?: boolean;
  /** TC, and no records. */
  isTruncated?: boolean;
  delayMs?: number;
  isSilent?: boolean;
  /** Sent before the answer, from the server's own socket. */
  before?: (query: DecodedPacket, answer: Buffer) => Buffer[];
};

type Asked = { transport: Transport; port: number; query: DecodedPacket };

/**
 * A DNS server on one loopback port number over UDP and TCP, and over TLS and HTTPS where it has an
 * authority, that reacts to each question as it is told and remembers what it was asked.
 */
export const startDnsServer = async (
  react: (question: Question, transport: Transport, count: number) => DnsReaction,
  authority?: Awaited<ReturnType<typeof createTestAuthority>>,
) => {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
  };
  const answer = async (bytes: Buffer, transport: Transport, port: number): Promise<Buffer[]> => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    if (question === undefined) return [];
    asked.push({ transport, port, query });
    const reaction = react(question, transport, asked.length);
    if (reaction.isSilent) return [];
    if (reaction.delayMs !== undefined) await wait(reaction.delayMs);
    const written = write(query, reaction);
    return [...(reaction.before?.(query, written) ?? []), written];
  };

  const serve = (transport: Transport) => (socket: Socket) => {
    track(socket);
    socket.once('data', async (framed: Buffer) => {
      const [bytes] = await answer(framed.subarray(2), transport, socket.remotePort ?? 0);
      if (bytes === undefined) return;
      const length = Buffer.from([bytes.length >> 8, bytes.length & 255]);
      // In two pieces, as a server may.
      socket.write(length);
      socket.write(bytes);
    });
  };
  const { udp, tcp } = await listenOnOnePort(serve('tcp'));
  const { port } = udp.address();
  udp.on('message', async (bytes, from: RemoteInfo) => {
    for (const one of await answer(bytes, 'udp', from.port)) udp.send(one, from.port, from.address);
  });
  const closers = [tcp];
  const listenSecure = async () => {
    if (authority === undefined) return { tls: 0, https: 0 };
    const { certificatePem: cert, privateKeyPem: key } = await authority.server('dns.test');
    const tls = createTlsServer({ cert, key, ALPNProtocols: ['dot'] }, serve('tls'));
    tls.on('tlsClientError', () => {});
    const https = createSecureServer({ cert, key, allowHTTP1: true });
    https.on('connection', track);
    https.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const isQuestion =
        request.method === 'POST' &&
        request.url === '/dns-query' &&
        request.headers['content-type'] === 'application/dns-message';
      if (!isQuestion) {
        response.writeHead(404).end();
        return;
      }
      const [bytes] = await answer(Buffer.concat(chunks), 'https', 0);
      if (bytes !== undefined)
        response.writeHead(200, { 'content-type': 'application/dns-message' }).end(bytes);
    });
    for (const server of [tls, https]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      closers.push(server);
    }
    const portOf = (server: typeof tls) => (server.address() as AddressInfo).port;
    return { tls: portOf(tls), https: portOf(https as unknown as typeof tls) };
  };
  const secure = await listenSecure();

  return {
    address: `127.0.0.1:${port}`,
    port,
    ...{ tlsPort: secure.tls, httpsPort: secure.https },
    asked,
    stop() {
      udp.close();
      for (const socket of sockets) socket.destroy();
      for (const server of closers) server.close();
    },
  };
};

/** A port that is free for UDP may be one a neighbour's connection has for TCP, and is then left. */
const listenOnOnePort = async (serve: (socket: Socket) => void) => {
  for (let attempts = 20; ; attempts -= 1) {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const tcp = createServer(serve);
    try {
      await once(tcp.listen(udp.address().port, '127.0.0.1'), 'listening');
      return { udp, tcp };
    } catch (error) {
      udp.close();
      if (attempts === 0) throw error;
    }
  }
};

const write = (query: DecodedPacket, reaction: DnsReaction): Buffer => {
  const isAd = reaction.isAuthenticated ? 0x0020 : 0;
  const isTc = reaction.isTruncated ? 0x0200 : 0;
  return encode({
    type: 'response',
    id: query.id ?? 0,
    // RD and RA.
    flags: 0x0180 | isAd | isTc | (reaction.rcode ?? 0),
    questions: query.questions ?? [],
    answers: reaction.isTruncated ? [] : (reaction.answers ?? []),
  });
};
