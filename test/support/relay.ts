import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type RelayOptions = {
  target: { host: string; port: number };
  /** Holds the client's first bytes back: with TLS they are the ClientHello. */
  firstBytesDelayMs?: number;
  /** Ends every connection once the client has spoken, by RST or never answering at all. */
  fault?: 'reset' | 'close' | 'silence';
};

/** A TCP relay between a client and a real server, which can hold or break the first exchange. */
export const startRelay = async (options: RelayOptions) => {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket.on('error', () => {}));
    return socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    track(client).once('data', (bytes) => {
      if (options.fault === 'reset') return void client.resetAndDestroy();
      if (options.fault === 'close') return void client.end();
      if (options.fault === 'silence') return;
      client.pause();
      const upstream = track(connect({ ...options.target, noDelay: true }));
      setTimeout(() => {
        upstream.write(bytes);
        client.pipe(upstream).pipe(client);
      }, options.firstBytesDelayMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};
