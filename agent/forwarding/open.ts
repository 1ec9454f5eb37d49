import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FailureType } from '#contract/failure.ts';
import type { NetworkType } from '#contract/forwarding.ts';
import { isHost } from '#contract/host-pattern.ts';
import { dial } from '#probes/dial.ts';
import type { Log } from '#runtime/log.ts';
import { FlowRefused, TunnelDown } from '../tunnel/refused.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { type Around, enforceRoute } from './around.ts';
import { type AskPac, decideWithPac } from './ask-pac.ts';
import { cut } from './cut.ts';
import { directByEdge } from './edge-direct.ts';
import { type FlowFacts, isOwnListener, type RoutePolicy } from './route.ts';

/** A connection on the user's behalf, whichever way it went. */
export type Opened = {
  ok: true;
  stream: Duplex;
  /** Fields for the answer to the client. */
  headers: Record<string, string>;
  reset(): void;
  /** True when the stream ended otherwise than in order. */
  wasCut(): boolean;
  moved(bytes: number): void;
};

/** What the client is told instead: an HTTP status with Proxy-Status (RFC 9209). */
export type NotOpened = {
  ok: false;
  status: number;
  headers: Record<string, string>;
  body: string;
};

export type Open = (destination: FlowFacts, signal: AbortSignal) => Promise<Opened | NotOpened>;

/** What a local proxy can tell of its client. */
export type FactsOf = (client: Socket) => Promise<Pick<FlowFacts, 'process'>>;

/** Decides where a flow goes, and connects it. */
export const createOpen = (parts: {
  tunnel: Pick<Tunnel, 'connect'>;
  policy: () => RoutePolicy;
  /** Of the network the device is on now; left out: one nobody knows. */
  network?: () => NetworkType;
  /** What enforcement leaves; left out: what the policy says. */
  around?: () => Around;
  /** The organisation's PAC file; left out: none. */
  askPac?: AskPac;
  log: Log;
}): Open => {
  const log = parts.log.child({ component: 'forwarding' });

  return async (destination, signal) => {
    if (!isHost(destination.host)) return notOpened(400, 'http_request_error', 'not a host name');
    const policy = parts.policy();
    const around = parts.around?.();
    const decided = await decideWithPac({
      flow: destination,
      policy,
      network: parts.network?.(),
      askPac: parts.askPac,
    });
    const route = around === undefined ? decided : enforceRoute(decided, destination, around);
    log.debug({ ...destination, ...route }, 'flow routed');
    if (route.action === 'block') {
      return notOpened(403, 'http_request_denied', `rule ${route.rule}`);
    }
    if (route.action === 'direct') return openDirect(destination, route.rule, policy, signal);
    try {
      const { host, port } = destination;
      const prefer = route.edges ?? [];
      const flow = await parts.tunnel.connect({ host, port, signal, prefer });
      const headers: Record<string, string> =
        flow.serverTiming === undefined ? {} : { 'server-timing': flow.serverTiming };
      return { ok: true, headers, ...flow };
    } catch (error) {
      if (error instanceof FlowRefused) {
        const rule = directByEdge(error, destination, policy, around);
        if (rule !== undefined) return openDirect(destination, rule, policy, signal);
        return fromRefusal(error);
      }
      if (!(error instanceof TunnelDown)) throw error;
      if (error.timedOut) return notOpened(504, 'http_response_timeout', error.message);
      if ((around ?? policy).whenTunnelDown === 'open') {
        return openDirect(destination, 'tunnel-down', policy, signal);
      }
      return notOpened(503, 'destination_unavailable', 'tunnel down');
    }
  };
};

const openDirect = async (
  { host: name, address: chosen, port }: FlowFacts,
  rule: string,
  policy: RoutePolicy,
  signal: AbortSignal,
): Promise<Opened | NotOpened> => {
  // A captured flow goes where its program wanted to, not where its name leads by now.
  const dialled = await dial({ host: chosen ?? name, port, signal });
  if (dialled.ok) {
    const { socket, address } = dialled;
    // A name may be one of this machine's.
    if (isOwnListener({ host: address, port }, policy)) {
      cut(socket);
      return notOpened(403, 'http_request_denied', 'rule own-listener');
    }
    socket.allowHalfOpen = true;
    socket.on('error', () => {});
    return {
      ok: true,
      stream: socket,
      // Says that this flow did not use the tunnel, and why: whoever measures must know.
      headers: { 'proxy-status': `whyslow-agent; details=${quoted(`direct, ${rule}`)}` },
      reset: () => cut(socket),
      wasCut: () => socket.errored !== null,
      moved: () => {},
    };
  }
  const { type, message } = dialled.failure;
  const { status, error } = directErrors.get(type) ?? unavailable;
  return notOpened(status, error, message);
};

type DirectError = { status: number; error: string };
const unavailable: DirectError = { status: 502, error: 'destination_unavailable' };
const directErrors = new Map<FailureType, DirectError>([
  ['dns.name_not_resolved', { status: 502, error: 'dns_error' }],
  ['dns.refused', { status: 502, error: 'dns_error' }],
  ['dns.unreachable', { status: 502, error: 'dns_error' }],
  ['dns.timed_out', { status: 504, error: 'dns_timeout' }],
  ['tcp.refused', { status: 502, error: 'connection_refused' }],
  ['tcp.reset', { status: 502, error: 'connection_terminated' }],
  ['tcp.timed_out', { status: 504, error: 'connection_timeout' }],
]);

/** The edge's own words, passed on as they came. */
export const fromRefusal = (refusal: FlowRefused): NotOpened => ({
  ok: false,
  status: refusal.status,
  headers: {
    ...(refusal.proxyStatus === undefined ? {} : { 'proxy-status': refusal.proxyStatus }),
    ...(refusal.serverTiming === undefined ? {} : { 'server-timing': refusal.serverTiming }),
    ...(refusal.retryAfter === undefined ? {} : { 'retry-after': refusal.retryAfter }),
  },
  body: `${refusal.message}\n`,
});

export const notOpened = (status: number, error: string, details: string): NotOpened => ({
  ok: false,
  status,
  headers: { 'proxy-status': `whyslow-agent; error=${error}; details=${quoted(details)}` },
  body: `${error}: ${details}\n`,
});

const quoted = (text: string): string =>
  `"${text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&')
    .slice(0, 200)}"`;
