import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { maxWaitingBytes } from '#runtime/capsules/datagram-stream.ts';
import type { DatagramFlow } from '../tunnel/udp-flow.ts';
import { type NotOpened, notOpened } from './open.ts';
import { type FlowFacts, isOwnListener, type RoutePolicy } from './route.ts';

/** Datagrams past the tunnel: from a socket of this device, connected to the destination. */
export const openDirectUdp = async (
  { host, address: chosen, port }: FlowFacts,
  policy: RoutePolicy,
  first: readonly Buffer[],
): Promise<{ ok: true; flow: DatagramFlow } | NotOpened> => {
  const addresses = await resolve(chosen ?? host);
  let problem = 'no address';
  for (const address of addresses) {
    // A name may be one of this machine's.
    if (isOwnListener({ host: address, port }, policy)) {
      return notOpened(403, 'http_request_denied', 'rule own-listener');
    }
    const socket = await connect(address, port);
    if (typeof socket !== 'string') {
      const flow = flowOf(socket);
      if (first.length > 0) flow.send(first);
      return { ok: true, flow };
    }
    problem = `${address}: ${socket}`;
  }
  const error = addresses.length === 0 ? 'dns_error' : 'destination_unavailable';
  return notOpened(502, error, problem);
};

const resolve = async (host: string): Promise<string[]> => {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true, verbatim: true }).catch(() => []);
  return found.map(({ address }) => address);
};

/** What comes in one turn of the loop has to wait there. Linux grants at most net.core.rmem_max, twice. */
const receiveBufferBytes = 1_048_576;

/** The socket, or why there is none. */
const connect = (address: string, port: number): Promise<Socket | string> =>
  new Promise((settle) => {
    const type = isIP(address) === 6 ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: receiveBufferBytes });
    const fail = (error: NodeJS.ErrnoException) => {
      socket.close();
      settle(error.code ?? error.message);
    };
    socket.once('error', fail);
    socket.connect(port, address, (error?: NodeJS.ErrnoException) => {
      socket.off('error', fail);
      if (error) return fail(error);
      return settle(socket);
    });
  });

const flowOf = (socket: Socket): DatagramFlow => {
  let isOpen = true;
  let reason: string | undefined;
  let dropped = 0;
  let waiting: Buffer[] = [];
  let give: (datagrams: Buffer[]) => void = () => {};
  let tell: (reason: string) => void = () => {};

  const close = (why: string) => {
    if (!isOpen) return;
    isOpen = false;
    reason = why;
    socket.close();
    tell(why);
  };
  socket.on('error', ({ message }) => close(message));
  socket.on('message', (datagram) => {
    if (waiting.push(datagram) === 1) setImmediate(flush);
  });
  const flush = () => {
    const datagrams = waiting;
    waiting = [];
    if (isOpen) give(datagrams);
  };
  const onSent = (error: NodeJS.ErrnoException | null) => {
    if (error && error.code !== 'EMSGSIZE') close(error.message);
  };

  return {
    send(datagrams) {
      if (!isOpen || socket.getSendQueueSize() > maxWaitingBytes) {
        dropped += datagrams.length;
        return;
      }
      // An ICMP error waits for the next send, and would be lost without a call back there.
      for (const [i, datagram] of datagrams.entries()) {
        if (i === 0) socket.send(datagram, onSent);
        else socket.send(datagram);
      }
    },
    onDatagrams(listener) {
      give = listener;
    },
    onClose(listener) {
      tell = listener;
      if (reason !== undefined) listener(reason);
    },
    close: () => close('ended'),
    droppedCount: () => dropped,
  };
};
