import type { AddressInfo, Server } from 'node:net';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Listens on loopback, and only there: whoever reaches the proxy uses the device's identity. */
export const listenOnLoopback = (
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<{ host: string; port: number }> =>
  new Promise((resolve, reject) => {
    if (!loopback.has(host)) {
      reject(new RangeError(`the local proxy listens on loopback only, not on ${host}`));
      return;
    }
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const bound = server.address() as AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
