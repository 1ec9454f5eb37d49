import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type SocketCall = {
  method?: string;
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  timeoutMs?: number;
};

export type SocketAnswer = {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
};

/** One HTTP request over a Unix socket: to the collector through its gate, or to the services. */
export const callOverSocket = (socketPath: string, call: SocketCall): Promise<SocketAnswer> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', path, headers, body = '', timeoutMs = 30_000 } = call;
    const sent = request(
      {
        socketPath,
        method,
        path,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        response.once('error', reject).once('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    sent.once('error', reject).end(body);
  });

/** A port on this machine's loopback that leads to a Unix socket: for a person's browser. */
export const openLoopbackGate = async (options: {
  socketPath: string;
  /** 0: any free one. */
  port?: number;
}): Promise<{ url: string; port: number; stop(): Promise<void> }> => {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(options.socketPath);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    near.on('error', () => far.destroy()).once('close', () => far.destroy());
    far.on('error', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};
