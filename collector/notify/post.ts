import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from './connect.ts';

/** Enough to see what a receiver complains about; more of its words are not kept. */
const excerptLength = 200;

export type Posted =
  | { answered: true; status: number; excerpt: string; retryAfter: string | undefined }
  | { answered: false; reason: string };

type Post = {
  url: string;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number;
  signal: AbortSignal;
};

/**
 * One POST on a connection of its own. Redirects are not followed: the address is the operator's
 * to give. Not reaching the receiver is an outcome, not an exception.
 */
export const post = async (wanted: Post): Promise<Posted> => {
  const deadline = AbortSignal.timeout(wanted.timeoutMs);
  const signal = AbortSignal.any([deadline, wanted.signal]);
  const url = new URL(wanted.url);
  const connected = await connect(url, signal);
  const posted = connected.ok
    ? await send(url, wanted, connected.socket, signal)
    : { answered: false as const, reason: connected.reason.slice(0, excerptLength) };
  return posted.answered || !deadline.aborted
    ? posted
    : { answered: false, reason: `no answer within ${wanted.timeoutMs} ms` };
};

const send = (
  url: URL,
  { headers, body }: Post,
  socket: Socket,
  signal: AbortSignal,
): Promise<Posted> =>
  new Promise((resolve) => {
    const outgoing = begin(url, { headers, body, socket, signal });
    outgoing.once('response', (answer) => readAnswer(answer, resolve));
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      socket.destroy();
      resolve({ answered: false, reason: (error.code ?? error.message).slice(0, excerptLength) });
    });
    outgoing.end(body);
  });

const begin = (
  url: URL,
  given: Pick<Post, 'headers' | 'body' | 'signal'> & { socket: Socket },
): ClientRequest =>
  httpRequest({
    method: 'POST',
    path: `${url.pathname}${url.search}`,
    signal: given.signal,
    createConnection: () => given.socket,
    ...(url.username === '' ? {} : { auth: credentialsOf(url) }),
    headers: {
      ...given.headers,
      host: url.host,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(given.body),
      'user-agent': 'whyslow-webhook/1',
    },
  });

const credentialsOf = ({ username, password }: URL): string =>
  `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;

const readAnswer = (answer: IncomingMessage, resolve: (posted: Posted) => void): void => {
  // The status decides; a body that breaks off changes nothing about it.
  const done = () =>
    resolve({
      answered: true,
      status: answer.statusCode ?? 0,
      excerpt: text.slice(0, excerptLength),
      retryAfter: answer.headers['retry-after'],
    });
  let text = '';
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => {
    text += chunk;
    if (text.length >= excerptLength) answer.destroy();
  });
  answer.on('close', done).on('error', done);
};
