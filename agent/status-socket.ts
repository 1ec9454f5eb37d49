import { createHash } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Running } from '#runtime/service.ts';

/** Longest path of a Unix socket on the systems we run on, less its end. */
const maxSocketPath = 100;

/** Where the agent of a state folder answers. */
export const socketPath = (stateFolder: string): string => {
  const folder = resolve(stateFolder);
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\whyslow-${name}`;
  const path = join(folder, 'agent.sock');
  return path.length <= maxSocketPath ? path : join(tmpdir(), `whyslow-${name}.sock`);
};

/** Answers every connection with one JSON text. For the owner of the state folder only. */
export const serveStatus = async (stateFolder: string, read: () => unknown): Promise<Running> => {
  const path = socketPath(stateFolder);
  const isFile = process.platform !== 'win32';
  // Whoever holds the folder's lock owns the socket: a file that is there is a dead agent's.
  if (isFile) await rm(path, { force: true });
  const server = createServer((client) => {
    client.on('error', () => client.destroy());
    client.end(JSON.stringify(read()));
  });
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(path, done);
  });
  if (isFile) await chmod(path, 0o600);
  return {
    stop: () => new Promise((done) => server.close(() => done())),
  };
};

/** What the agent answers; rejects when none does. */
export const askStatus = (stateFolder: string): Promise<string> =>
  new Promise((done, reject) => {
    let text = '';
    const socket = connect(socketPath(stateFolder));
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer within 5 s')));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('error', reject);
    socket.once('end', () => done(text));
  });
