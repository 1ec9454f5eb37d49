import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Failure } from '#contract/failure.ts';
import type { HttpBody, HttpExchange } from '#contract/result.ts';
import type { Deadline } from '../deadline.ts';
import { dial } from '../dial.ts';
import { sumMs } from '../duration.ts';
import type { ProxyAddress } from '../probe.ts';
import type { NameResolver } from '../resolve.ts';
import { classifyProxyDial, connectThrough } from './connect-through.ts';
import { handshake } from './handshake.ts';
import { type Request, type SendOptions, send } from './send.ts';

export type ExchangeMeans = SendOptions & {
  resolver: NameResolver;
  proxy: ProxyAddress | undefined;
  context: SecureContext;
  userAgent: string;
  deadline: Deadline;
};

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
  const opened = await (means.proxy
    ? openThrough(means.proxy, request.url, means, exchange)
    : openDirect(request.url, means, exchange));
  if (!opened.ok) return opened.failure;

  let socket = opened.socket;
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

type Opened = { ok: true; socket: Socket } | { ok: false; failure: Failure };

const openDirect = async (
  url: URL,
  means: ExchangeMeans,
  exchange: HttpExchange,
): Promise<Opened> => {
  const { deadline, resolver } = means;
  const dialled = await dial({
    host: hostOf(url),
    port: portOf(url),
    signal: deadline.signal,
    cutShort: deadline.cutShort,
    resolver,
  });
  exchange.dnsSource = dialled.dnsSource;
  exchange.attempts = dialled.attempts;
  // A phase that failed was not gone through: how long it took stands in the attempts.
  if (dialled.ok || dialled.failure.phase !== 'dns') exchange.phases.dnsMs = dialled.dnsMs;
  if (!dialled.ok) return dialled;
  exchange.phases.connectMs = dialled.connectMs;
  exchange.remoteAddress = dialled.address;
  exchange.remotePort = portOf(url);
  return dialled;
};

/**
 * Through the tunnel the edge resolves and connects: those times stand in `edge`. The handshake
 * with the agent on the same machine is no phase of the application's, and is left out.
 */
const openThrough = async (
  proxy: ProxyAddress,
  url: URL,
  means: ExchangeMeans,
  exchange: HttpExchange,
): Promise<Opened> => {
  const { deadline } = means;
  const dialled = await dial({ ...proxy, signal: deadline.signal, cutShort: deadline.cutShort });
  if (!dialled.ok) {
    exchange.attempts = dialled.attempts;
    return { ok: false, failure: classifyProxyDial(dialled.failure) };
  }
  const connected = await connectThrough(dialled.socket, `${url.hostname}:${portOf(url)}`, means);
  exchange.edge = connected.edge;
  if (!connected.ok) return connected;
  exchange.phases.proxyConnectMs = connected.proxyConnectMs;
  exchange.remoteAddress = connected.edge?.address ?? null;
  exchange.remotePort = portOf(url);
  return { ok: true, socket: dialled.socket };
};

/** The URL's host without the brackets of an IPv6 literal. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

const portOf = (url: URL): number =>
  url.port !== '' ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
