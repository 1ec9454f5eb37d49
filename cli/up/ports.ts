import { createServer } from 'node:net';

/** The preferred TCP port on loopback, or any free one where it is taken. */
export const pickPort = async (preferredPort: number, taken: Set<number>): Promise<number> => {
  if (!taken.has(preferredPort)) {
    const port = await tryPort(preferredPort);
    if (port !== undefined) {
      taken.add(port);
      return port;
    }
  }
  const port = await tryPort(0);
  if (port === undefined) throw new Error('no free TCP port on 127.0.0.1');
  taken.add(port);
  return port;
};

const tryPort = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(address !== null && typeof address === 'object' ? address.port : undefined),
      );
    });
  });
