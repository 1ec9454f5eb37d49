import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dial } from '#edge/dial.ts';

const server = createServer((socket) => socket.on('error', () => {}).resume());
let port = 0;

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

const dialAll = async (addresses: readonly string[]) => {
  const { signal } = new AbortController();
  const { socket, ...dialled } = await dial({ addresses, port, signal, read: 'stream' });
  socket.destroy();
  return dialled;
};

it('says how long it waited for addresses before the one that answered, which is no round trip', async () => {
  expect(await dialAll(['127.0.0.1'])).toMatchObject({ address: '127.0.0.1', waitedMs: 0 });
  const second = await dialAll(['127.0.0.2', '127.0.0.1']);
  expect(second.address).toBe('127.0.0.1');
  expect(second.waitedMs).toBeGreaterThan(0);
});
