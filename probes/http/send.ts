import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Failure, FailurePhase } from '#contract/failure.ts';
import type { HttpBody } from '#contract/result.ts';
import { classifyError, failureOf } from '../classify.ts';
import type { Deadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import { createTextSearch } from './text-search.ts';

/** One HTTP request, as far as it is known before a connection. */
export type Request = {
  url: URL;
  /** How the URL stands in the result. */
  shownUrl: string;
  method: HttpBody['method'];
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
};

/** What came back; null where it did not come so far. */
export type Answer = {
  status: number | null;
  httpVersion: HttpBody['httpVersion'];
  location: string | null;
  waitMs: number | null;
  receiveMs: number | null;
  bodyBytes: number;
  /** Null: not looked for, or not read to its end. */
  hasText: boolean | null;
  failure: Failure | null;
};

export type SendOptions = { deadline: Deadline; maxBodyBytes: number; searchText: string };

/** Sends a request over a connected socket and reads the answer to its end. */
export const send = (socket: Socket, what: Request, options: SendOptions): Promise<Answer> =>
  new Promise((resolve) => {
    const answer: Answer = { ...nothingYet };
    let phase: FailurePhase = 'request';
    let sentMs = 0;
    let firstByteMs = 0;

    const finish = (failure: Failure | null) => {
      socket.destroy();
      // What a failed exchange still reports about itself goes nowhere.
      resolve({ ...answer, failure });
    };
    const fail = (error: unknown) =>
      finish(classifyError(phase, error, options.deadline.cutShort()));

    const outgoing = begin(socket, what, options.deadline.signal);
    // Ahead of the parser's own listener, so that the time is the byte's and not the headers'.
    outgoing.once('socket', () =>
      socket.prependOnceListener('data', () => {
        firstByteMs = performance.now();
        answer.waitMs = sinceMs(sentMs);
      }),
    );
    outgoing.once('response', (incoming) => {
      const status = incoming.statusCode ?? 0;
      if (status < 100) return finish(noStatus(status));
      phase = 'receive';
      readHead(incoming, answer);
      receive(incoming, options, answer).then((problem) => {
        if (problem === null) answer.receiveMs = sinceMs(firstByteMs);
        finish(problem);
      }, fail);
    });
    outgoing.once('upgrade', () => fail(unasked));
    outgoing.on('error', fail);
    outgoing.once('close', () => fail(closedEarly));
    sentMs = performance.now();
    outgoing.end();
    phase = 'wait';
  });

const nothingYet: Answer = {
  status: null,
  httpVersion: null,
  location: null,
  waitMs: null,
  receiveMs: null,
  bodyBytes: 0,
  hasText: null,
  failure: null,
};

const unasked = new Error('the server changed protocols unasked');
const closedEarly = Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' });

const noStatus = (status: number): Failure =>
  failureOf('http.protocol.error', 'wait', `the answer's status is ${status}, below 100`);

const begin = (
  socket: Socket,
  { url, method, headers }: Request,
  signal: AbortSignal,
): ClientRequest =>
  request({
    method,
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host, ...headers },
    createConnection: () => socket,
    signal,
  });

const readHead = (incoming: IncomingMessage, answer: Answer): void => {
  answer.status = incoming.statusCode ?? null;
  answer.httpVersion = incoming.httpVersion === '1.0' ? '1.0' : '1.1';
  answer.location = incoming.headers.location ?? null;
};

const receive = async (
  incoming: IncomingMessage,
  options: SendOptions,
  answer: Answer,
): Promise<Failure | null> => {
  const search = createTextSearch(options.searchText);
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    answer.bodyBytes += chunk.length;
    search.read(chunk);
    if (answer.bodyBytes > options.maxBodyBytes) return tooLarge(options.maxBodyBytes);
  }
  answer.hasText = search.found();
  return null;
};

const tooLarge = (maxBodyBytes: number): Failure =>
  failureOf(
    'http.response.too_large',
    'receive',
    `the answer is longer than ${maxBodyBytes} bytes; the rest was not read`,
  );
