import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Failure, FailurePhase } from '#contract/failure.ts';
import { classifyError, failureOf } from '../classify.ts';
import { sinceMs } from '../duration.ts';
import {
  type Answer,
  BodyReader,
  type Conversation,
  closedEarly,
  maxInformational,
  nothingYet,
  type Request,
  type SendOptions,
  tooManyInformational,
} from './conversation.ts';

/** HTTP/1.1 (RFC 9112). `keepsOpen` says in the request that another may follow. */
export const createHttp1 = (socket: Socket, keepsOpen: boolean): Conversation => {
  // Between two requests nobody else listens; within one node:http tells of it.
  socket.on('error', ignore);
  return {
    ask: (what, options) =>
      new Promise((resolve) => {
        new Http1Ask({ socket, keepsOpen, what, options, resolve }).begin();
      }),
    isOpen: () => keepsOpen && !socket.destroyed && socket.writable,
    close: () => socket.destroy(),
  };
};

const ignore = (): void => {};

type Ask = {
  socket: Socket;
  keepsOpen: boolean;
  what: Request;
  options: SendOptions;
  resolve: (answer: Answer) => void;
};

/** A class, because every exchange makes one: methods are made once, closures every time. */
class Http1Ask {
  readonly #ask: Ask;
  readonly #answer: Answer = { ...nothingYet };
  readonly #body: BodyReader;
  #phase: FailurePhase = 'request';
  #sentMs = 0;
  #firstByteMs = 0;
  #informationalCount = 0;
  #isOver = false;
  #isComplete = false;

  constructor(ask: Ask) {
    this.#ask = ask;
    this.#body = new BodyReader(ask.options);
  }

  begin(): void {
    const { what, options } = this.#ask;
    const outgoing = this.#createRequest();
    const { stopSignal } = options.deadline;
    stopSignal.addEventListener('abort', this.#giveUp);
    outgoing.once('socket', this.#markSent);
    outgoing.on('information', this.#countInformational);
    outgoing.once('response', this.#receive);
    outgoing.once('upgrade', () => this.#fail(unasked));
    outgoing.on('error', this.#fail);
    outgoing.once('close', this.#closed);
    outgoing.end(what.body);
    this.#phase = 'wait';
    if (stopSignal.aborted) this.#giveUp();
  }

  #createRequest(): ClientRequest {
    const { socket, keepsOpen, what } = this.#ask;
    const { url, method, headers } = what;
    const more = keepsOpen ? { connection: 'keep-alive' } : {};
    return request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, ...more, ...headers },
      createConnection: () => socket,
    });
  }

  /** Right before node:http writes the headers. */
  #markSent = (): void => {
    // Ahead of the parser's own listener, so that the time is the byte's and not the headers'.
    this.#ask.socket.prependOnceListener('data', this.#markFirstByte);
    this.#sentMs = performance.now();
  };

  #markFirstByte = (): void => {
    this.#firstByteMs = performance.now();
    this.#answer.waitMs = sinceMs(this.#sentMs);
  };

  #receive = (incoming: IncomingMessage): void => {
    const status = incoming.statusCode ?? 0;
    if (status < 100) {
      this.#finish(noStatus(status));
      return;
    }
    this.#phase = 'receive';
    this.#answer.status = status;
    this.#answer.httpVersion = incoming.httpVersion === '1.0' ? '1.0' : '1.1';
    this.#answer.location = incoming.headers.location ?? null;
    incoming.on('data', this.#take);
    incoming.once('end', this.#complete);
    incoming.on('error', this.#fail);
  };

  #countInformational = (): void => {
    this.#informationalCount += 1;
    if (this.#informationalCount > maxInformational) this.#finish(tooManyInformational);
  };

  #take = (chunk: Buffer): void => {
    const tooLarge = this.#body.take(chunk);
    this.#answer.bodyBytes = this.#body.bytes;
    if (tooLarge !== null) this.#finish(tooLarge);
  };

  #complete = (): void => {
    if (this.#isOver) return;
    this.#answer.receiveMs = sinceMs(this.#firstByteMs);
    this.#answer.hasText = this.#body.hasText();
    this.#isComplete = true;
    // node:http gives a connection back only with the request's close.
    if (!this.#ask.keepsOpen) this.#finish(null);
  };

  #closed = (): void => {
    if (this.#isComplete) this.#finish(null);
    else this.#fail(closedEarly);
  };

  #giveUp = (): void => this.#fail(undefined);

  #fail = (error: unknown): void => {
    if (this.#isOver) return;
    this.#finish(classifyError(this.#phase, error, this.#ask.options.deadline.cutShort()));
  };

  #finish(failure: Failure | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { socket, keepsOpen, options, resolve } = this.#ask;
    options.deadline.stopSignal.removeEventListener('abort', this.#giveUp);
    if (failure !== null || !keepsOpen) socket.destroy();
    this.#answer.failure = failure;
    resolve(this.#answer);
  }
}

const unasked = new Error('the server changed protocols unasked');

const noStatus = (status: number): Failure =>
  failureOf('http.protocol.error', 'wait', `the answer's status is ${status}, below 100`);
