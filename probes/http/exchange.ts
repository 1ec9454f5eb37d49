import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Failure } from '#contract/failure.ts';
import type { HttpBody, HttpExchange } from '#contract/result.ts';
import { sumMs } from '../duration.ts';
import { handshake } from '../handshake.ts';
import { type ConnectionMeans, type OpenedConnection, openConnection } from '../open-connection.ts';
import { type Request, type SendOptions, send } from './send.ts';

export type ExchangeMeans = SendOptions & ConnectionMeans & { context: SecureContext };

/** One request with its answer, or what there was of it until it failed. */
export type Exchanged = {
  exchange: HttpExchange;
  httpVersion: HttpBody['httpVersion'];
  certificate: HttpBody['certificate'];
  location: string | null;
  hasText: boolean | null;
  failure: Failure | null;
};

/** Goes through the phases one after the other on a connection of its own; each timed apart. */
export const runExchange = async (request: Request, means: ExchangeMeans): Promise<Exchanged> => {
  const state = beginExchange(request.shownUrl);
  state.failure = await goThrough(request, means, state);
  state.exchange.durationMs = sumMs(Object.values(state.exchange.phases));
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
  if (request.url.protocol === 'https:') {
    const secured = await handshake(socket, hostOf(request.url), means);
    state.certificate = secured.certificate;
    if (!secured.ok) return secured.failure;
    exchange.phases.tlsMs = secured.tlsMs;
    socket = secured.socket;
  }

  const answer = await send(socket, request, means);
  Object.assign(exchange.phases, { waitMs: answer.waitMs, receiveMs: answer.receiveMs });
  exchange.status = answer.status;
  exchange.bodyBytes = answer.bodyBytes;
  state.httpVersion = answer.httpVersion;
  state.location = answer.location;
  state.hasText = answer.hasText;
  return answer.failure;
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
  },
  httpVersion: null,
  certificate: null,
  location: null,
  hasText: null,
  failure: null,
});

/** Brings what is known of the connection into the exchange. */
const connectTo = async (
  url: URL,
  means: ExchangeMeans,
  exchange: HttpExchange,
): Promise<OpenedConnection> => {
  const target = { host: hostOf(url), port: portOf(url) };
  const opened = await openConnection(target, means);
  const { dnsMs, connectMs, proxyConnectMs } = opened;
  Object.assign(exchange.phases, { dnsMs, connectMs, proxyConnectMs });
  exchange.dnsSource = opened.dnsSource;
  exchange.attempts = opened.attempts;
  exchange.edge = opened.edge;
  if (opened.ok) {
    exchange.remoteAddress = opened.remoteAddress;
    exchange.remotePort = target.port;
  }
  return opened;
};

/** The URL's host without the brackets of an IPv6 literal. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

const portOf = (url: URL): number =>
  url.port !== '' ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
