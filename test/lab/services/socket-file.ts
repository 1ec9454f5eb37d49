import { unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';

/** Listens at a path; a socket file that a killed process left there is replaced, a living one not. */
export const listenAtPath = async (server: Server, path: string): Promise<void> => {
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
  try {
    await listen();
  } catch (error) {
    if (await isAnswered(path)) throw error;
    unlinkSync(path);
    await listen();
  }
};

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
