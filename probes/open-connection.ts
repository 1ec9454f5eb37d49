import { isIP, type Socket } from 'node:net';
import type { DialAttempt, EdgeTiming } from '#contract/body/connection.ts';
import type { Failure } from '#contract/failure.ts';
import { classifyProxyDial, connectThrough } from './connect-through.ts';
import type { Deadline } from './deadline.ts';
import { dial } from './dial.ts';
import type { ProxyAddress } from './probe.ts';
import type { DnsSource, FamilyChoice, NameResolver } from './resolve.ts';

export type ConnectionMeans = {
  resolver: NameResolver;
  proxy: ProxyAddress | undefined;
  /** Of the addresses dialled; through a proxy it is the proxy's choice. */
  family?: FamilyChoice;
  userAgent: string;
  deadline: Deadline;
};

/** What is known of a connection whether it came about or not; null: not gone through. */
export type ConnectionRecord = {
  dnsMs: number | null;
  connectMs: number | null;
  proxyConnectMs: number | null;
  dnsSource: DnsSource | null;
  attempts: DialAttempt[];
  remoteAddress: string | null;
  family: 4 | 6 | null;
  edge: EdgeTiming | null;
};

export type OpenedConnection = ConnectionRecord &
  ({ ok: true; socket: Socket } | { ok: false; failure: Failure });

/** A TCP connection to `host` and `port`: by dialling, or by CONNECT where there is a proxy. */
export const openConnection = (
  target: { host: string; port: number },
  means: ConnectionMeans,
): Promise<OpenedConnection> =>
  means.proxy ? openThrough(means.proxy, target, means) : openDirect(target, means);

const nothingYet: ConnectionRecord = {
  dnsMs: null,
  connectMs: null,
  proxyConnectMs: null,
  dnsSource: null,
  attempts: [],
  remoteAddress: null,
  family: null,
  edge: null,
};

const openDirect = async (
  target: { host: string; port: number },
  { deadline, resolver, family = 'any' }: ConnectionMeans,
): Promise<OpenedConnection> => {
  const { stopSignal: signal, cutShort } = deadline;
  const dialled = await dial({ ...target, signal, cutShort, resolver, family });
  const { dnsMs, dnsSource, attempts } = dialled;
  if (!dialled.ok) {
    const { failure } = dialled;
    // A phase that failed was not gone through: how long it took stands in the attempts.
    const resolvedMs = failure.phase === 'dns' ? null : dnsMs;
    return { ...nothingYet, dnsMs: resolvedMs, dnsSource, attempts, ok: false, failure };
  }
  const { socket, connectMs, address: remoteAddress } = dialled;
  const reached = { remoteAddress, family: dialled.family, ok: true, socket } as const;
  return { ...nothingYet, dnsMs, connectMs, dnsSource, attempts, ...reached };
};

/**
 * Through the tunnel the edge resolves and connects: those times stand in `edge`. The handshake
 * with the agent on the same machine is no phase of the application's, and is left out.
 */
const openThrough = async (
  proxy: ProxyAddress,
  { host, port }: { host: string; port: number },
  means: ConnectionMeans,
): Promise<OpenedConnection> => {
  const { stopSignal: signal, cutShort } = means.deadline;
  const dialled = await dial({ ...proxy, signal, cutShort });
  if (!dialled.ok) {
    const failure = classifyProxyDial(dialled.failure);
    return { ...nothingYet, attempts: dialled.attempts, ok: false, failure };
  }
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const connected = await connectThrough(dialled.socket, authority, means);
  const { edge } = connected;
  if (!connected.ok) return { ...nothingYet, edge, ok: false, failure: connected.failure };
  const { proxyConnectMs } = connected;
  const remoteAddress = edge?.address ?? null;
  const version = isIP(remoteAddress ?? '');
  const family = version === 4 || version === 6 ? version : null;
  const reached = { remoteAddress, family, ok: true, socket: dialled.socket } as const;
  return { ...nothingYet, edge, proxyConnectMs, ...reached };
};
