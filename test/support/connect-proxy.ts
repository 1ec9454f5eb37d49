import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export type ConnectProxyOptions = {
  /** Time before CONNECT is answered. */
  delayMs?: number;
  /** On the answer to a CONNECT that is granted. */
  headers?: Record<string, string>;
  /** Every CONNECT is refused so. */
  refusal?: { status: number; headers: Record<string, string> };
  /** `hang`: never an answer; `close`: the end of the connection instead of one. */
  fault?: 'hang' | 'close';
};

/** A real forwarding proxy on a free port that takes CONNECT, and remembers what it was asked. */
export const startConnectProxy = async (options: ConnectProxyOptions = {}) => {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket.on('error', () => socket.destroy()));
    return socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connection', track);
  server.on('connect', (request, client: Socket, head: Buffer) => {
    const target = request.url ?? '';
    asked.push(target);
    if (options.fault === 'hang') return;
    if (options.fault === 'close') return void client.end();
    void wait(options.delayMs ?? 0).then(() => {
      if (options.refusal) {
        client.end(answer(options.refusal.status, options.refusal.headers));
        return;
      }
      const { hostname, port } = new URL(`tcp://${target}`);
      const host = hostname.replace(/^\[|\]$/g, '');
      const upstream = track(connect({ host, port: Number(port) }));
      upstream.once('connect', () => {
        client.write(answer(200, options.headers ?? {}));
        upstream.write(head);
        client.pipe(upstream).pipe(client);
      });
      upstream.once('error', () => client.end(answer(502, {})));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    /** `host:port` of every CONNECT, in order. */
    asked,
    async stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};

const answer = (status: number, headers: Record<string, string>): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Refused'}`, ...lines, '', ''].join('\r\n');
};
