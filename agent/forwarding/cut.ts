import type { Socket } from 'node:net';

/**
 * Ends a socket with a reset, so that its peer does not take what it has got for all there was.
 * After `end()` Node's resetAndDestroy() fails with EINVAL (libuv has a shutdown under way) and
 * leaves the socket open for ever; with bytes still to write it waits for them. Both are destroyed.
 */
export const cut = (socket: Socket): void => {
  if (socket.destroyed) return;
  if (socket.writableEnded || socket.writableLength > 0) socket.destroy();
  else socket.resetAndDestroy();
};
