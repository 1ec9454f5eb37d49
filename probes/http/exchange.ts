import type { Socket } from 'node:net';
import { destinationOfUrl } from '#contract/authority.ts';
import type { HttpBody, HttpExchange, httpVersionChoices } from '#contract/body/http.ts';
import type { Failure } from '#contract/failure.ts';
import { failureOf } from '../classify.ts';
import { sinceMs, sumMs } from '../duration.ts';
import { handshake } from '../handshake.ts';
import { type ConnectionMeans, type OpenedConnection, openConnection } from '../open-connection.ts';
import type { TrustContext } from '../trust.ts';
import type { Answer, Conversation, Request, SendOptions } from './conversation.ts';
import { createHttp1 } from './http1.ts';
import { createHttp2 } from './http2.ts';

export type ExchangeMeans = SendOptions &
  ConnectionMeans & {
    context: TrustContext;
    version: (typeof httpVersionChoices)[number];
    /** Another request is to follow on the last exchange's connection. */
    keepsOpen: boolean;
  };

/** One request with its answer, or what there was of it until it failed. */
export type Exchanged = {
  exchange: HttpExchange;
  httpVersion: HttpBody['httpVersion'];
  certificate: HttpBody['certificate'];
  location: string | null;
  hasText: boolean | null;
  failure: Failure | null;
  /** Still open after an answer, when it was to be kept; whoever gets it closes it. */
  conversation: Conversation | undefined;
};

/** Goes through the phases one after the other on a connection of its own; each timed apart. */
export const runExchange = async (request: Request, means: ExchangeMeans): Promise<Exchanged> => {
  const state = beginExchange(request.shownUrl);
  const startedMs = performance.now();
  state.failure = await goThrough(request, means, state);
  const finishedMs = sumMs(Object.values(state.exchange.phases));
  const isCutShort = state.failure !== null && means.deadline.cutShort() !== undefined;
  // What was given up in the middle of a phase took at least so long; the phase itself stays null.
  state.exchange.durationMs = isCutShort ? Math.max(finishedMs, sinceMs(startedMs)) : finishedMs;
  return state;
};

const goThrough = async (
  request: Request,
  means: ExchangeMeans,
  state: Exchanged,
): Promise<Failure | null> => {
  const { exchange } = state;
  const opened = await connectTo(request.url, means, exchange);
  if (!opened.ok) return opened.failure;

  let socket: Socket = opened.socket;
  let version: '1.1' | '2' = means.version === '2' ? '2' : '1.1';
  if (request.url.protocol === 'https:') {
    const alpn = alpnOf[means.version];
    const secured = await handshake(socket, destinationOfUrl(request.url).host, { ...means, alpn });
    state.certificate = secured.certificate;
    if (!secured.ok) return asVersion(secured.failure, means);
    exchange.phases.tlsMs = secured.tlsMs;
    socket = secured.socket;
    version = secured.socket.alpnProtocol === 'h2' ? '2' : '1.1';
    if (means.version === '2' && version !== '2') {
      socket.on('error', () => {}).destroy();
      return noHttp2;
    }
  }

  const conversation =
    version === '2'
      ? createHttp2(socket, request.url.origin)
      : createHttp1(socket, means.keepsOpen);
  const answer = await conversation.ask(request, means).catch((error: unknown) => {
    conversation.close();
    throw error;
  });
  if (means.keepsOpen && conversation.isOpen()) state.conversation = conversation;
  else conversation.close();
  takeAnswer(answer, state);
  return answer.failure;
};

/** ALPN identifiers (RFC 7301; RFC 9113 §3.2), the preferred first as browsers have it. */
const alpnOf = {
  auto: ['h2', 'http/1.1'],
  '1.1': ['http/1.1'],
  '2': ['h2'],
} as const satisfies Record<ExchangeMeans['version'], readonly string[]>;

const noHttp2 = failureOf('http.protocol.error', 'tls', 'the server does not offer HTTP/2 (ALPN)');

/** RFC 7301 §3.2: a server that shares no protocol ends the handshake with an alert that says so. */
const asVersion = (failure: Failure, { version }: ExchangeMeans): Failure =>
  version === '2' && /NO_APPLICATION_PROTOCOL/.test(failure.message) ? noHttp2 : failure;

const takeAnswer = (answer: Answer, state: Exchanged): void => {
  const { exchange } = state;
  exchange.phases.waitMs = answer.waitMs;
  exchange.phases.receiveMs = answer.receiveMs;
  exchange.status = answer.status;
  exchange.bodyBytes = answer.bodyBytes;
  state.httpVersion = answer.httpVersion;
  state.location = answer.location;
  state.hasText = answer.hasText;
};

const beginExchange = (url: string): Exchanged => ({
  exchange: {
    url,
    status: null,
    phases: {
      dnsMs: null,
      connectMs: null,
      proxyConnectMs: null,
      tlsMs: null,
      waitMs: null,
      receiveMs: null,
    },
    durationMs: 0,
    bodyBytes: 0,
    remoteAddress: null,
    remotePort: null,
    dnsSource: null,
    attempts: [],
    edge: null,
    family: null,
  },
  httpVersion: null,
  certificate: null,
  location: null,
  hasText: null,
  failure: null,
  conversation: undefined,
});

/** Brings what is known of the connection into the exchange. */
const connectTo = async (
  url: URL,
  means: ExchangeMeans,
  exchange: HttpExchange,
): Promise<OpenedConnection> => {
  const target = destinationOfUrl(url);
  const opened = await openConnection(target, means);
  exchange.phases.dnsMs = opened.dnsMs;
  exchange.phases.connectMs = opened.connectMs;
  exchange.phases.proxyConnectMs = opened.proxyConnectMs;
  exchange.dnsSource = opened.dnsSource;
  exchange.attempts = opened.attempts;
  exchange.edge = opened.edge;
  if (opened.ok) {
    exchange.remoteAddress = opened.remoteAddress;
    exchange.remotePort = target.port;
    exchange.family = opened.family;
  }
  return opened;
};
