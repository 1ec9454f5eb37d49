import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ListenerName } from './forwarder.ts';

/** The listener for devices, and where there is one that for clients without a certificate. */
export const startListeners = async (
  asked: {
    listen: { host: string; port: number };
    clientlessListen?: { host: string; port: number };
  },
  onSocket: (socket: Socket, listener: ListenerName) => void,
  options: { isPassedOn: boolean },
): Promise<Listener & { clientlessAddress: Listener['address'] | null }> => {
  const { isPassedOn } = options;
  const start = (listen: { host: string; port: number }, name: ListenerName) =>
    startListener({ listen, isPassedOn, onSocket: (socket) => onSocket(socket, name) });
  const devices = await start(asked.listen, 'devices');
  if (!asked.clientlessListen) return { ...devices, clientlessAddress: null };
  const clientless = await start(asked.clientlessListen, 'clientless').catch((error: unknown) => {
    devices.close();
    throw error;
  });
  return {
    address: devices.address,
    clientlessAddress: clientless.address,
    close() {
      devices.close();
      clientless.close();
    },
  };
};

/** A TCP port whose connections go to whoever serves them. */
export type Listener = {
  address: { host: string; port: number };
  /** No connection comes in any more; those there are go on. */
  close(): void;
};

export const startListener = (parts: {
  listen: { host: string; port: number };
  /** Nothing is read before another process has the connection. */
  isPassedOn?: boolean;
  onSocket: (socket: Socket) => void;
}): Promise<Listener> =>
  new Promise((resolve, reject) => {
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      pauseOnConnect: parts.isPassedOn ?? false,
    });
    server.on('connection', parts.onSocket);
    server.once('error', reject);
    server.listen(parts.listen.port, parts.listen.host, () => {
      server.off('error', reject);
      // Out of descriptors, for example: the connections there are go on.
      server.on('error', () => {});
      const { address, port } = server.address() as AddressInfo;
      resolve({ address: { host: address, port }, close: () => void server.close() });
    });
  });
