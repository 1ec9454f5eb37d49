import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { normalHost } from '#contract/host-pattern.ts';
import type { Log } from '#runtime/log.ts';
import type { OpenUdp } from './open-udp.ts';
import type { Destination, FlowFacts } from './route.ts';
import { createUdpFlows } from './udp-flows.ts';

/** Of one association; a resolver behind SOCKS asks many servers. */
const maxFlows = 256;

/**
 * The UDP side of one SOCKS5 association (RFC 1928 section 7): a socket on the address the client
 * connected to, for that client alone. Fragments are dropped, as the RFC lets a relay do. Answers
 * bear the address their request had, so that a client which asked for a name knows them.
 */
export const startSocksUdp = async (parts: {
  client: Socket;
  /** Where the client says that it will send from; unspecified, its first datagram says it. */
  announced: Destination;
  /** What is known of the client's program. */
  facts: Partial<FlowFacts> | undefined;
  openUdp: OpenUdp;
  log: Log;
}): Promise<{ address: { host: string; port: number }; stop(): void }> => {
  const { client } = parts;
  const host = plain(client.localAddress ?? '127.0.0.1');
  const allowed = plain(client.remoteAddress ?? '');
  let clientPort = announcedPort(parts.announced, allowed);
  let isConnected = false;
  let isStopped = false;
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', lookup: asIs });
  const listening = once(socket, 'listening');
  socket.bind(0, host);
  await listening;

  const flows = createUdpFlows({
    openUdp: parts.openUdp,
    maxFlows,
    onDatagrams(key, datagrams) {
      const header = Buffer.from(`\0\0\0${key}`, 'latin1');
      for (const datagram of datagrams)
        sendBack(socket, isConnected && !isStopped, [header, datagram]);
    },
    log: parts.log,
  });
  let waiting = new Map<string, Buffer[]>();
  const flush = () => {
    const all = waiting;
    waiting = new Map();
    for (const [key, datagrams] of all)
      flows.send(key, datagrams, () => ({ ...parts.facts, ...destinationOf(key) }));
  };
  const lock = (port: number) => {
    clientPort = port;
    // From now on the kernel keeps others out.
    socket.connect(port, allowed, (error?: Error) => {
      isConnected = !error;
    });
  };
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    if (plain(from.address) !== allowed) return;
    if (clientPort !== undefined && from.port !== clientPort) return;
    const headerBytes = readHeader(bytes);
    if (headerBytes === undefined) return;
    if (!isConnected && clientPort === undefined) lock(from.port);
    const key = bytes.toString('latin1', 3, headerBytes);
    const datagrams = waiting.get(key);
    if (waiting.size === 0) setImmediate(flush);
    if (datagrams) datagrams.push(bytes.subarray(headerBytes));
    else waiting.set(key, [bytes.subarray(headerBytes)]);
  });
  // The client's socket is gone, which its connection will tell.
  socket.on('error', () => {});
  if (clientPort !== undefined) lock(clientPort);

  return {
    address: { host, port: socket.address().port },
    stop() {
      if (isStopped) return;
      isStopped = true;
      flows.stop();
      socket.close();
    },
  };
};

const asIs = (
  host: string,
  _options: unknown,
  done: (error: null, address: string, family: number) => void,
): void => done(null, host, host.includes(':') ? 6 : 4);

const plain = (address: string): string => address.replace(/^::ffff:/, '');

/** Some clients put their destination here instead of themselves: that says nothing. */
const announcedPort = ({ host, port }: Destination, allowed: string): number | undefined =>
  port !== 0 && ['0.0.0.0', '::', allowed].includes(shortened(host)) ? port : undefined;

const shortened = (host: string): string =>
  host.includes(':') ? new URL(`http://[${host}]`).hostname.slice(1, -1) : normalHost(host);

/** A closed socket would throw, and into whatever gave the datagram. */
const sendBack = (socket: UdpSocket, isOpen: boolean, pieces: Buffer[]): void => {
  if (isOpen) socket.send(pieces);
};

/** Reserved (2), fragment, address type, address, port: how long; undefined: not to be relayed. */
const readHeader = (bytes: Buffer): number | undefined => {
  if (bytes.length < 10 || bytes[2] !== 0) return undefined;
  const type = bytes[3];
  const length =
    type === 1 ? 10 : type === 4 ? 22 : type === 3 ? 7 + (bytes[4] ?? 0) : bytes.length + 1;
  if (length > bytes.length) return undefined;
  return bytes.readUInt16BE(length - 2) === 0 ? undefined : length;
};

/** From the address type on, as it stands in the header. */
const destinationOf = (key: string): Destination => {
  const bytes = Buffer.from(key, 'latin1');
  const port = bytes.readUInt16BE(bytes.length - 2);
  const address = bytes.subarray(1, -2);
  if (bytes[0] === 1) return { host: address.join('.'), port };
  if (bytes[0] === 3) return { host: address.toString('latin1', 1), port };
  return { host: address.toString('hex').match(/.{4}/g)?.join(':') ?? '', port };
};
