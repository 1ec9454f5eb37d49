import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { DnsAttempt } from '#contract/body/dns.ts';
import type { DnsServer, DnsTransport } from '#contract/dns-server.ts';
import type { Failure } from '#contract/failure.ts';
import { classifyError } from '../classify.ts';
import type { Deadline } from '../deadline.ts';
import { dial } from '../dial.ts';
import { sinceMs } from '../duration.ts';
import { handshake } from '../handshake.ts';
import type { NameResolver } from '../resolve.ts';
import type { TrustContext } from '../trust.ts';
import { askHttp1, askHttp2 } from './ask-https.ts';
import { encodeQuery, type Message, type Question, randomId, readAnswer } from './message.ts';

export type StreamMeans = {
  deadline: Deadline;
  resolver: NameResolver;
  /** Needed where a server is asked over TLS. */
  context: TrustContext | undefined;
};

/** What became of a question over a connection of its own. */
export type StreamEnd = {
  attempt: DnsAttempt;
  /** Connecting and, over TLS, the handshake; null where it did not come so far. */
  setupMs: number | null;
  /** Question sent → answer; null without one. */
  durationMs: number | null;
} & ({ ok: true; message: Message; address: string } | { ok: false; failure: Failure });

type Ready = { socket: Socket; address: string; alpn: string };

/** Asks over TCP (RFC 7766), TLS (RFC 7858) or HTTPS (RFC 8484), each on a fresh connection. */
export const askStream = async (
  server: DnsServer,
  question: Question,
  startedMs: number,
  means: StreamMeans,
): Promise<StreamEnd> => {
  const beganMs = sinceMs(startedMs);
  const attempt: DnsAttempt = {
    server: server.name,
    transport: server.transport,
    startedMs: beganMs,
    endedMs: beganMs,
    outcome: 'failed',
  };
  const opened = await open(server, means);
  const setupMs = sinceMs(startedMs + beganMs);
  const end = (failure: Failure): StreamEnd => {
    attempt.endedMs = sinceMs(startedMs);
    if (failure.type.endsWith('timed_out')) attempt.outcome = 'unanswered';
    return { attempt, setupMs: null, durationMs: null, ok: false, failure };
  };
  if (!opened.ok) return end(opened.failure);

  const sentMs = performance.now();
  // RFC 8484 section 4.1: an id of 0, so that HTTP caches know equal questions.
  const id = server.transport === 'https' ? 0 : randomId();
  const { socket, address } = opened;
  try {
    const bytes = await exchange(server, opened, encodeQuery(question, id), means.deadline);
    const message = readAnswer(bytes, question, new Set([id]));
    if (message === undefined) throw badAnswer;
    attempt.endedMs = sinceMs(startedMs);
    attempt.outcome = 'answered';
    return { attempt, setupMs, durationMs: sinceMs(sentMs), ok: true, message, address };
  } catch (error) {
    return end(classifyError('dns', error, means.deadline.cutShort()));
  } finally {
    socket.destroy();
  }
};

const badAnswer = Object.assign(new Error('the answer is not one to this question'), {
  code: 'EBADRESP',
});

type Opened = ({ ok: true } & Ready) | { ok: false; failure: Failure };

const alpnOf: Partial<Record<DnsTransport, string[]>> = {
  tls: ['dot'],
  https: ['h2', 'http/1.1'],
};

const open = async (server: DnsServer, means: StreamMeans): Promise<Opened> => {
  const { deadline, resolver, context } = means;
  const { signal, cutShort } = deadline;
  const { host, port } = server;
  const dialled = await dial({ host, port, signal, cutShort, resolver });
  if (!dialled.ok) return { ok: false, failure: asDnsFailure(dialled.failure) };
  const { socket, address } = dialled;
  const alpn = alpnOf[server.transport];
  if (alpn === undefined || context === undefined)
    return { ok: true, socket: socket.on('error', () => {}), address, alpn: '' };
  const secured = await handshake(socket, host, { context, deadline, alpn });
  if (!secured.ok) return secured;
  secured.socket.on('error', () => {});
  return { ok: true, socket: secured.socket, address, alpn: secured.socket.alpnProtocol || '' };
};

/** A server that cannot be reached over TCP is a DNS server that cannot be reached. */
const asDnsFailure = (failure: Failure): Failure => {
  if (failure.phase === 'dns') return failure;
  const code = failure.type === 'tcp.timed_out' ? 'ETIMEOUT' : 'ECONNREFUSED';
  if (failure.type === 'abandoned') return classifyError('dns', failure, 'abandoned');
  return classifyError('dns', Object.assign(new Error(failure.message), { code }));
};

const exchange = (
  server: DnsServer,
  { socket, alpn }: Ready,
  query: Buffer,
  deadline: Deadline,
): Promise<Buffer> => {
  if (server.transport !== 'https') return askFramed(socket, query, deadline.signal);
  const ask = alpn === 'h2' ? askHttp2 : askHttp1;
  return ask(socket, server.url, query, deadline.signal);
};

/** Length and message, both ways (RFC 1035 section 4.2.2), in one write (RFC 7766 section 8). */
const askFramed = (socket: Duplex, query: Buffer, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    let received: Buffer = Buffer.alloc(0);
    const giveUp = () => reject(signal.reason);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const end = 2 + received.readUInt16BE(0);
      if (received.length >= end) resolve(received.subarray(2, end));
    });
    socket.once('error', reject);
    socket.once('close', () => {
      signal.removeEventListener('abort', giveUp);
      reject(closedEarly);
    });
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    socket.write(Buffer.concat([length, query]));
  });

const closedEarly = Object.assign(new Error('the server closed the connection without an answer'), {
  code: 'EBADRESP',
});
