import { once } from 'node:events';
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net';
import { isHost } from '#contract/host-pattern.ts';
import type { Libc } from '#runtime/kernel/libc.ts';
import { readOriginalDestination } from '#runtime/kernel/original-destination.ts';
import type { Log } from '#runtime/log.ts';
import { cut } from '../forwarding/cut.ts';
import type { NotOpened, Open, Opened } from '../forwarding/open.ts';
import { relay } from '../forwarding/relay.ts';
import type { Destination, FlowFacts } from '../forwarding/route.ts';
import type { Confirm } from './confirm.ts';
import { readFirstBytes } from './first-bytes.ts';
import type { Names } from './names.ts';
import type { ProcessOf } from './process.ts';

export type TcpCapture = {
  /** The same for both families. */
  port: number;
  flowCount(): number;
  stop(): Promise<void>;
};

/**
 * Takes connections that netfilter redirected, and carries each to where its program wanted to. Bound
 * to loopback, so only this machine's programs come here.
 */
export const startTcpCapture = async (parts: {
  libc: Libc;
  open: Open;
  names: Names;
  confirm: Confirm;
  /** Undefined: no rule asks for it. */
  processOf: () => ProcessOf | undefined;
  log: Log;
}): Promise<TcpCapture> => {
  const log = parts.log.child({ component: 'capture' });
  const sockets = new Set<Socket>();
  let flowCount = 0;
  const onClient = (client: Socket) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('close', () => sockets.delete(client));
    flowCount += 1;
    serve(parts, client).catch((error) => {
      log.error({ err: error }, 'captured flow failed inside the agent');
      client.destroy();
    });
  };
  const { servers, port } = await listenOnBoth(onClient);
  return {
    port,
    flowCount: () => flowCount,
    async stop() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};

const maxPortTries = 20;

/** IPv4 and IPv6 need sockets of their own, and the rules one port. */
const listenOnBoth = async (
  onClient: (client: Socket) => void,
): Promise<{ servers: Server[]; port: number }> => {
  for (let tries = 1; ; tries++) {
    const four = await listen(onClient, '127.0.0.1', 0);
    const { port } = four.address() as AddressInfo;
    try {
      return { servers: [four, await listen(onClient, '::1', port)], port };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A machine without IPv6 has no IPv6 connections either.
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return { servers: [four], port };
      four.close();
      if (code !== 'EADDRINUSE' || tries === maxPortTries) throw error;
    }
  }
};

const listen = async (
  onClient: (client: Socket) => void,
  host: string,
  port: number,
): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onClient);
  server.maxConnections = 10_000;
  server.listen({ host, port, ipv6Only: host === '::1', backlog: 1_024 });
  await once(server, 'listening');
  // Of accepting: out of descriptors, for one.
  server.on('error', () => {});
  return server;
};

const serve = async (
  parts: Parameters<typeof startTcpCapture>[0],
  client: Socket,
): Promise<void> => {
  const wanted = readOriginalDestination(parts.libc, client);
  // Whoever connects to the listener itself would go round in circles.
  if (wanted === undefined || isListener(client, wanted)) return cut(client);
  const local = { host: client.remoteAddress ?? '', port: client.remotePort ?? 0 };
  const [first, process] = await Promise.all([
    readFirstBytes(client),
    parts.processOf()?.({ local, remote: wanted }),
  ]);
  const flow = await parts.confirm({
    ...nameFlow(wanted, first.name, parts.names),
    ...(process === undefined ? {} : { process }),
  });
  if (client.destroyed) return;
  const abort = new AbortController();
  const onClose = () => abort.abort();
  client.once('close', onClose);
  const opened = await openFlow(parts.open, flow, abort.signal);
  client.off('close', onClose);
  if (!opened.ok) return cut(client);
  relay(client, opened, first.head);
};

const isListener = (client: Socket, wanted: Destination): boolean =>
  wanted.port === client.localPort && wanted.host === client.localAddress;

/**
 * A captured flow is for an address; its name is what the program was told leads there, or what the
 * flow says of itself. An address that stands for a name is nobody's: such a flow has the name alone.
 */
export const nameFlow = (
  wanted: Destination,
  said: string | undefined,
  names: Pick<Names, 'nameOf' | 'namesOf' | 'leads' | 'isStandIn'>,
): FlowFacts => {
  const { host: address, port } = wanted;
  const claim = said !== undefined && isHost(said) ? said : undefined;
  if (names.isStandIn(address)) return { host: names.nameOf(address) ?? address, port };
  // `http://192.0.2.7/`: no name was meant, although some name may lead there.
  if (claim !== undefined && isIP(claim) !== 0) return { host: address, port };
  if (claim !== undefined && names.leads(claim, address)) return { host: claim, port, address };
  if (claim !== undefined) return { host: claim, port, address, isNameClaimed: true };
  const [name, ...otherNames] = names.namesOf(address);
  if (name === undefined) return { host: address, port };
  return { host: name, port, address, ...(otherNames.length > 0 ? { otherNames } : {}) };
};

/**
 * A name the edge cannot resolve (of the device's own network, of its hosts file) is no reason to
 * fail: the program had an address.
 */
const openFlow = async (
  open: Open,
  flow: FlowFacts,
  signal: AbortSignal,
): Promise<Opened | NotOpened> => {
  const opened = await open(flow, signal);
  const { address } = flow;
  if (opened.ok || address === undefined || !isUnresolved(opened)) return opened;
  const { isNameClaimed: _claimed, otherNames: _others, ...known } = flow;
  return open({ ...known, host: address }, signal);
};

export const isUnresolved = ({ headers }: NotOpened): boolean =>
  /;\s*error=dns_error/.test(headers['proxy-status'] ?? '');
