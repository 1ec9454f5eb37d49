import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, type LookupFunction, type Server, type Socket } from 'node:net';
import { inNamespace } from '../kernel/namespace.ts';

/**
 * A socket belongs to the namespace its thread is in when the kernel makes it, and for ever: so one
 * process serves them all. Node makes a socket at once only where it need not look a host up: TCP
 * listens on every address (both families), the others bring a lookup that answers on the spot.
 */
export const listenInside = (namespace: string, server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    inNamespace(namespace, () => server.listen(port));
  });

/** A UDP socket on one address, so that its answers leave from the address that was asked. */
export const bindInside = (
  namespace: string,
  address: string,
  port: number,
): Promise<DatagramSocket> =>
  new Promise((resolve, reject) => {
    const type = isIPv6(address) ? 'udp6' : 'udp4';
    const socket = createSocket({ type, lookup: literal });
    socket.once('error', reject).once('listening', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    inNamespace(namespace, () => socket.bind({ address, port }));
  });

/** A connection to the namespace's own loopback. */
export const connectInside = (namespace: string, port: number): Socket => {
  const lookup: LookupFunction = (_host, _options, callback) => callback(null, '127.0.0.1', 4);
  const host = 'loopback';
  return inNamespace(namespace, () => connect({ host, port, lookup, autoSelectFamily: false }));
};

const literal = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, isIPv6(address) ? 6 : 4);
