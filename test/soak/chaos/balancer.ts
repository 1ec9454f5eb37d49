import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP balancer before the collectors: the next that takes the connection has it. It can be cut. */
export const startBalancer = async (ports: readonly number[]) => {
  const sockets = new Set<Socket>();
  let isCut = false;
  let next = 0;
  const track = (socket: Socket): Socket => {
    sockets.add(socket.on('error', () => socket.destroy()));
    return socket.once('close', () => sockets.delete(socket));
  };

  const pass = (client: Socket, tries: number): void => {
    const port = ports[next % ports.length] ?? 0;
    next += 1;
    const upstream = track(connect({ port, host: '127.0.0.1', noDelay: true }));
    upstream.once('connect', () => {
      upstream.off('error', retry);
      client.pipe(upstream).pipe(client);
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
    });
    const retry = () => (tries > 1 ? pass(client, tries - 1) : client.destroy());
    upstream.once('error', retry);
  };

  const server = createServer((client) => {
    track(client);
    if (isCut) client.destroy();
    else pass(client, ports.length);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const endAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut(): void {
      isCut = true;
      endAll();
    },
    heal(): void {
      isCut = false;
    },
    stop(): void {
      endAll();
      server.close();
    },
  };
};
