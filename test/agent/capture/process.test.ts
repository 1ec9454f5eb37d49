import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { createProcessOf, type Ends } from '#agent/capture/process.ts';

/** A connection of this very process, by that family. */
const withConnection = async (host: string, work: (ends: Ends) => Promise<void>) => {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, host);
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  try {
    await work({
      local: { host, port: client.localPort ?? 0 },
      remote: { host, port },
    });
  } finally {
    client.destroy();
    accepted.destroy();
    server.close();
  }
};

it.skipIf(process.platform !== 'linux').each(['127.0.0.1', '::1'])(
  'the executable behind a connection over %s is found',
  async (host) => {
    const processOf = createProcessOf();
    await withConnection(host, async (ends) => {
      expect(await processOf(ends)).toBe(process.execPath);
      const startedMs = performance.now();
      expect(await processOf(ends)).toBe(process.execPath);
      process.stdout.write(`looked up again in ${(performance.now() - startedMs).toFixed(1)} ms\n`);
    });
  },
);

it('one that does not exist, or may not be looked at, is not known, which is no error', async () => {
  const ends: Ends = {
    local: { host: '127.0.0.1', port: 1 },
    remote: { host: '127.0.0.1', port: 2 },
  };
  expect(await createProcessOf()(ends)).toBeUndefined();
  expect(await createProcessOf('/nowhere')(ends)).toBeUndefined();
});
