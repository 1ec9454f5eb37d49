import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseJson } from '#runtime/collector-request.ts';
import type { Running } from '#runtime/service.ts';

/** Longest path of a Unix socket on the systems we run on, less its end. */
const maxSocketPath = 100;
/** Whoever neither asks for anything nor ends its side wants the status. */
const askWithinMs = 1_000;
const maxQuestionBytes = 64_000;

/** Where the agent of a state folder answers. */
export const socketPath = (stateFolder: string): string => {
  const folder = resolve(stateFolder);
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\whyslow-${name}`;
  const path = join(folder, 'agent.sock');
  return path.length <= maxSocketPath ? path : join(shortFolder(folder, name), 'agent.sock');
};

/** For a state folder whose own path is too long: everybody may write beside it, so it is looked at. */
const shortFolder = (stateFolder: string, name: string): string =>
  join(tmpdir(), `whyslow-${ownerOf(stateFolder)}-${name}`);

const ownerOf = (folder: string): number =>
  statSync(folder, { throwIfNoEntry: false })?.uid ?? process.getuid?.() ?? 0;

/** Throws when the folder for the socket is somebody else's, or open to others. */
const makeSocketFolder = async (path: string, stateFolder: string): Promise<void> => {
  const folder = dirname(path);
  if (process.platform === 'win32' || folder === resolve(stateFolder)) return;
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (await isOnlyOurs(folder, stateFolder)) return;
  throw new Error(
    `${folder}, for the status socket, is not this user’s alone: remove it, or use a state folder with a shorter path`,
  );
};

const isOnlyOurs = async (folder: string, stateFolder: string): Promise<boolean> => {
  const found = await lstat(folder);
  return found.isDirectory() && found.uid === ownerOf(stateFolder) && (found.mode & 0o077) === 0;
};

/** What the agent does for whoever may open its socket. */
export type SocketAnswers = {
  status: () => unknown;
  /** Takes a question, tells what happens line by line, and ends. */
  ask: (question: unknown, tell: (line: unknown) => void, gone: AbortSignal) => Promise<void>;
};

/**
 * Answers a connection that says nothing with the status as one JSON text, and one that asks
 * something with a JSON text a line. For the owner of the state folder only.
 */
export const serveStatus = async (
  stateFolder: string,
  answers: SocketAnswers,
): Promise<Running> => {
  const path = socketPath(stateFolder);
  const isFile = process.platform !== 'win32';
  await makeSocketFolder(path, stateFolder);
  // Whoever holds the folder's lock owns the socket: a file that is there is a dead agent's.
  if (isFile) await rm(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.on('error', () => client.destroy());
    client.once('close', () => open.delete(client));
    void answer(client, answers);
  });
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(path, done);
  });
  if (isFile) await chmod(path, 0o600);
  return {
    stop: () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const client of open) client.destroy();
      return closed;
    },
  };
};

const answer = async (client: Socket, answers: SocketAnswers): Promise<void> => {
  const question = await readQuestion(client);
  if (question === '') {
    client.end(JSON.stringify(answers.status()));
    return;
  }
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  const tell = (line: unknown) => void client.write(`${JSON.stringify(line)}\n`);
  await answers.ask(parseJson(question), tell, gone.signal);
  client.end();
};

/** Until the other side ends, or has been silent for a moment. */
const readQuestion = (client: Socket): Promise<string> =>
  new Promise((done) => {
    let text = '';
    const timer = setTimeout(() => done(text), askWithinMs);
    const finish = () => {
      clearTimeout(timer);
      done(text);
    };
    client.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > maxQuestionBytes) client.destroy();
    });
    client.once('end', finish);
    client.once('close', finish);
  });

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
    socket.end();
  });

/** Asks something of the agent; each line as it comes. Ends when the agent has said all. */
export const askAgent = (
  stateFolder: string,
  question: unknown,
  onLine: (line: unknown) => void,
): Promise<void> =>
  new Promise((done, reject) => {
    let text = '';
    const socket = connect(socketPath(stateFolder));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      try {
        for (const line of lines) onLine(parseJson(line));
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.once('error', reject);
    socket.once('close', () => done());
    socket.end(JSON.stringify(question));
  });
