import type { Socket } from 'node:net';
import type { App } from './app.ts';

/**
 * Ends a connection on which more requests than `most` are under way. No client of ours sends one
 * before the last is answered; node would begin all that somebody pipelines at the same time.
 */
export const limitRequestsUnderway = (app: App, most: number): void => {
  const underway = new WeakMap<Socket, number>();
  app.addHook('onRequest', async (request, reply) => {
    const { socket } = request.raw;
    const count = (underway.get(socket) ?? 0) + 1;
    underway.set(socket, count);
    reply.raw.once('close', () => underway.set(socket, (underway.get(socket) ?? 1) - 1));
    if (count <= most && !socket.destroyed) return;
    reply.hijack();
    socket.destroy();
  });
};
