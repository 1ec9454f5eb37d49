import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { openLibc } from '#runtime/kernel/libc.ts';
import { createUnsentLimit } from '#runtime/kernel/unsent-limit.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const libc = await openLibc();

it.runIf(libc !== undefined)('the kernel keeps 32 KB unsent of a socket, and no more', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  try {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const limit = createUnsentLimit({ log: silentLog() });
    limit.apply(socket);
    await waitUntil(() => libc?.getNumber(fd, 6, 25) === 32_768);
    expect(limit.problem()).toBeUndefined();
  } finally {
    socket.destroy();
    server.close();
  }
});

it('a socket that is closed already is left alone', async () => {
  const limit = createUnsentLimit({ log: silentLog() });
  const socket = connect({ port: 1, host: '127.0.0.1' }).on('error', () => {});
  socket.destroy();
  limit.apply(socket);
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (libc) expect(limit.problem()).toBeUndefined();
});
