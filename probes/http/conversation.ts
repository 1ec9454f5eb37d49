import type { HttpBody } from '#contract/body/http.ts';
import type { Failure } from '#contract/failure.ts';
import { failureOf } from '../classify.ts';
import type { Deadline } from '../deadline.ts';
import { createTextSearch } from './text-search.ts';

/** One HTTP request, as far as it is known before a connection. */
export type Request = {
  url: URL;
  /** How the URL stands in the result. */
  shownUrl: string;
  method: HttpBody['method'];
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  body: Buffer | undefined;
};

/** What came back; null where it did not come so far. */
export type Answer = {
  status: number | null;
  httpVersion: HttpBody['httpVersion'];
  location: string | null;
  /** Request handed to the connection → first byte of the answer. */
  waitMs: number | null;
  receiveMs: number | null;
  bodyBytes: number;
  /** Null: not looked for, or not read to its end. */
  hasText: boolean | null;
  failure: Failure | null;
};

export type SendOptions = { deadline: Deadline; maxBodyBytes: number; searchText: string };

/** HTTP over one connected socket, in whichever version. */
export type Conversation = {
  /**
   * Sends a request and reads the answer to its end. Never rejects for what the network does, only
   * for a request that cannot be sent at all. One at a time.
   */
  ask(what: Request, options: SendOptions): Promise<Answer>;
  /** Whether the connection would take another request now. */
  isOpen(): boolean;
  close(): void;
};

export const nothingYet: Answer = {
  status: null,
  httpVersion: null,
  location: null,
  waitMs: null,
  receiveMs: null,
  bodyBytes: 0,
  hasText: null,
  failure: null,
};

/** Counts and searches a body as it comes, and stops it where it grows too long. */
export class BodyReader {
  bytes = 0;
  readonly #maxBytes: number;
  readonly #search: ReturnType<typeof createTextSearch> | undefined;

  constructor({ maxBodyBytes, searchText }: SendOptions) {
    this.#maxBytes = maxBodyBytes;
    this.#search = searchText === '' ? undefined : createTextSearch(searchText);
  }

  /** The failure, once the body is longer than allowed. */
  take(chunk: Buffer): Failure | null {
    this.bytes += chunk.length;
    this.#search?.read(chunk);
    return this.bytes > this.#maxBytes ? tooLarge(this.#maxBytes) : null;
  }

  hasText(): boolean {
    return this.#search?.found() ?? true;
  }
}

const tooLarge = (maxBodyBytes: number): Failure =>
  failureOf(
    'http.response.too_large',
    'receive',
    `the answer is longer than ${maxBodyBytes} bytes; the rest was not read`,
  );

/** A server may send 1xx answers ahead of the answer without end (RFC 9110 §15.2). */
export const maxInformational = 100;

export const tooManyInformational = failureOf(
  'http.protocol.error',
  'wait',
  `more than ${maxInformational} informational (1xx) answers, and no answer`,
);

export const closedEarly = Object.assign(new Error('closed without an answer'), {
  code: 'ECONNRESET',
});
