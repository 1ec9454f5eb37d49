import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Failure, FailurePhase, FailureType } from '#contract/failure.ts';
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

/**
 * HTTP/2 (RFC 9113) over a connection whose TLS handshake, if any, has chosen it; without TLS by
 * prior knowledge (§3.3). The windows are a browser's: with the protocol's 64 KiB a large answer
 * would wait for our own permission every round trip, and `receive` would tell of us.
 */
export const createHttp2 = (socket: Socket, origin: string): Conversation => {
  const session = connect(origin, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: streamWindowBytes },
  });
  // Told to each request by its own listener; between two, nobody else listens.
  session.on('error', ignore);
  session.once('connect', () => session.setLocalWindowSize(connectionWindowBytes));
  return {
    ask: (what, options) =>
      new Promise((resolve) => {
        new Http2Ask(session, what, options, resolve).begin();
      }),
    isOpen: () => !session.closed && !session.destroyed,
    close: () => session.destroy(),
  };
};

/** As Chromium has them. */
const streamWindowBytes = 6_291_456;
const connectionWindowBytes = 15_728_640;

const ignore = (): void => {};

class Http2Ask {
  readonly #session: ClientHttp2Session;
  readonly #what: Request;
  readonly #options: SendOptions;
  readonly #resolve: (answer: Answer) => void;
  readonly #answer: Answer = { ...nothingYet };
  readonly #body: BodyReader;
  #stream: ClientHttp2Stream | undefined;
  #phase: FailurePhase = 'request';
  #sentMs = 0;
  #firstByteMs = 0;
  #informationalCount = 0;
  #receiveMs: number | null = null;
  #goawayCode = 0;
  #isOver = false;

  constructor(
    session: ClientHttp2Session,
    what: Request,
    options: SendOptions,
    resolve: (answer: Answer) => void,
  ) {
    this.#session = session;
    this.#what = what;
    this.#options = options;
    this.#resolve = resolve;
    this.#body = new BodyReader(options);
  }

  begin(): void {
    const { deadline } = this.#options;
    const { body } = this.#what;
    const session = this.#session;
    const stream = session.request(headersOf(this.#what), { endStream: body === undefined });
    this.#stream = stream;
    deadline.stopSignal.addEventListener('abort', this.#giveUp);
    session.on('error', this.#fail);
    session.once('goaway', this.#noteGoaway);
    session.once('close', this.#closed);
    stream.on('headers', this.#countInformational);
    stream.once('response', this.#receive);
    stream.on('data', this.#take);
    stream.once('end', this.#noteEnd);
    stream.on('error', this.#fail);
    stream.once('close', this.#closed);
    this.#send(stream);
    if (deadline.stopSignal.aborted) this.#giveUp();
  }

  /** What comes before the session is ready is node:http2's own set-up, and no wait for a server. */
  #send(stream: ClientHttp2Stream): void {
    this.#sentMs = performance.now();
    if (this.#session.connecting) this.#session.once('connect', this.#markSent);
    if (this.#what.body !== undefined) stream.end(this.#what.body);
    this.#phase = 'wait';
  }

  #markSent = (): void => {
    this.#sentMs = performance.now();
  };

  #receive = (headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void => {
    this.#firstByteMs = performance.now();
    this.#answer.waitMs = sinceMs(this.#sentMs);
    this.#answer.status = headers[':status'] ?? null;
    this.#answer.httpVersion = '2';
    this.#answer.location = headers.location ?? null;
    this.#phase = 'receive';
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

  /** A stream that is reset ends as well: its close, right after, says which it was. */
  #noteEnd = (): void => {
    this.#receiveMs = sinceMs(this.#firstByteMs);
  };

  #noteGoaway = (code: number): void => {
    this.#goawayCode = code;
  };

  #closed = (): void => {
    const isWhole = this.#receiveMs !== null && this.#answer.status !== null;
    if (!isWhole || this.#stream?.rstCode !== constants.NGHTTP2_NO_ERROR) {
      this.#fail(closedEarly);
      return;
    }
    this.#answer.receiveMs = this.#receiveMs;
    this.#answer.hasText = this.#body.hasText();
    this.#finish(null);
  };

  #giveUp = (): void => this.#fail(undefined);

  #fail = (error: unknown): void => {
    if (this.#isOver) return;
    const cutShort = this.#options.deadline.cutShort();
    const reset = cutShort === undefined ? this.#describeReset() : null;
    this.#finish(reset ?? classifyError(this.#phase, error, cutShort));
  };

  /** What the server said with RST_STREAM or GOAWAY (RFC 9113 §7); null when it said nothing. */
  #describeReset(): Failure | null {
    const code = this.#goawayCode || (this.#stream?.rstCode ?? 0);
    if (code === constants.NGHTTP2_NO_ERROR) return null;
    const frame = this.#goawayCode ? 'GOAWAY' : 'RST_STREAM';
    const type = failureByCode.get(code) ?? 'http.protocol.error';
    return failureOf(type, this.#phase, `the server sent ${frame} with error code ${code}`);
  }

  #finish(failure: Failure | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.deadline.stopSignal.removeEventListener('abort', this.#giveUp);
    this.#session.off('error', this.#fail);
    this.#session.off('close', this.#closed);
    this.#session.off('goaway', this.#noteGoaway);
    if (failure !== null) this.#session.destroy();
    this.#answer.failure = failure;
    this.#resolve(this.#answer);
  }
}

/** RFC 9113 §7; every other code says that somebody broke the protocol. */
const failureByCode = new Map<number, FailureType>([
  [constants.NGHTTP2_INTERNAL_ERROR, 'http.reset'],
  [constants.NGHTTP2_CANCEL, 'http.reset'],
  [constants.NGHTTP2_REFUSED_STREAM, 'http.refused'],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'http.refused'],
]);

/** RFC 9113 §8.2.2 and §8.3.1: nothing of the connection's own, and `:authority` in place of Host. */
const headersOf = ({ url, method, headers }: Request): Record<string, string> => {
  const sent = Object.entries(headers).filter(([name]) => !connectionHeaders.has(name));
  return {
    ':method': method,
    ':path': `${url.pathname}${url.search}`,
    ':scheme': url.protocol.slice(0, -1),
    ':authority': headers['host'] ?? url.host,
    ...Object.fromEntries(sent),
  };
};

const connectionHeaders = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
