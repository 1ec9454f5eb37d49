import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, type AgentOptions, type RequestOptions, request } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import { collectorServerName } from '#contract/enrollment.ts';

/** Whom to trust and, where already known, who we are. */
export type CollectorTrust = {
  /** Undefined only for the very first request, whose answer is checked against a fingerprint. */
  caCertificatePem: string | undefined;
  certificatePem?: string;
  privateKeyPem?: string;
};

/** Opens the TCP connection to the collector. */
export type Dial = (to: {
  host: string;
  port: number;
  signal: AbortSignal;
}) => Promise<{ ok: true; socket: Socket } | { ok: false; reason: string }>;

export type CollectorRequest = {
  url: URL;
  method: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: Buffer;
  agent: Agent;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
};

export type CollectorAnswer = { status: number; headers: IncomingHttpHeaders; text: string };

/** Larger than any signed config (16 MB of text, escaped). */
const maxAnswerBytes = 40_000_000;

/** Of all addresses of the collector's name together. */
const dialTimeoutMs = 30_000;

/** Connections to the collector's device listener, kept alive; one per identity. */
export const createCollectorAgent = (trust: CollectorTrust, dial?: Dial): Agent =>
  new DialledAgent(dial, {
    keepAlive: true,
    // One may be held by the collector until there is news.
    maxSockets: 3,
    minVersion: 'TLSv1.3',
    servername: collectorServerName,
    rejectUnauthorized: trust.caCertificatePem !== undefined,
    ...(trust.caCertificatePem === undefined ? {} : { ca: trust.caCertificatePem }),
    ...(trust.certificatePem === undefined ? {} : { cert: trust.certificatePem }),
    ...(trust.privateKeyPem === undefined ? {} : { key: trust.privateKeyPem }),
    // Without a dialler given: Node gives each address of a name 250 ms by default, which fails on
    // exactly the bad networks an agent must report from.
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: 5_000,
  });

/** TLS, its sessions included, stays Node's; the connection below it is the dialler's. */
class DialledAgent extends Agent {
  readonly #dial: Dial | undefined;

  constructor(dial: Dial | undefined, options: AgentOptions) {
    super(options);
    this.#dial = dial;
  }

  override createConnection(
    options: RequestOptions,
    created: (error: Error | null, socket: Duplex) => void = () => {},
  ): Duplex | null | undefined {
    if (this.#dial === undefined) return super.createConnection(options, created);
    const to = {
      host: (options.host ?? 'localhost').replace(/^\[|\]$/g, ''),
      port: Number(options.port ?? 443),
      signal: AbortSignal.timeout(dialTimeoutMs),
    };
    // The second argument is not there when the first is (node:http's own convention).
    const failed = (error: Error) => created(error, undefined as unknown as Duplex);
    this.#dial(to).then((dialled) => {
      if (!dialled.ok) return failed(new Error(dialled.reason));
      const below: RequestOptions & { socket: Socket } = { ...options, socket: dialled.socket };
      const secure = super.createConnection(below);
      return secure ? created(null, secure) : failed(new Error('no TLS connection'));
    }, failed);
    return undefined;
  }
}

/** One request with a deadline over all of it. Rejects when there was no complete answer. */
export const requestCollector = (options: CollectorRequest): Promise<CollectorAnswer> =>
  new Promise((resolve, reject) => {
    const { url, method, agent, signal, body, timeoutMs = 30_000 } = options;
    const sent = request(url, {
      method,
      agent,
      headers: {
        ...options.headers,
        ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }),
      },
    });
    const abort = () => sent.destroy(new Error('given up: stopping'));
    const timer = setTimeout(
      () => sent.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)),
      timeoutMs,
    );
    const settle = <T>(finish: (value: T) => void, value: T) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      finish(value);
    };
    signal?.addEventListener('abort', abort, { once: true });
    sent.on('error', (error) => settle(reject, error));
    sent.on('response', (response) => {
      readAnswer(response).then(
        (answer) => settle(resolve, answer),
        (error: unknown) => {
          sent.destroy();
          settle(reject, error);
        },
      );
    });
    if (signal?.aborted) abort();
    sent.end(body);
  });

const readAnswer = async (response: IncomingMessage): Promise<CollectorAnswer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxAnswerBytes) throw new Error('the answer is larger than 40 MB');
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString('utf8'),
  };
};

/** Delay a server asked for: seconds or a date (RFC 9110 §10.2.3), at most a day. */
export const readRetryAfterMs = (header: string | undefined, now = Date.now()): number | null => {
  if (header === undefined) return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(86_400_000, Math.max(0, ms)) : null;
};

/** RFC 9457, read leniently: an unknown collector version may say more. */
const Problem = Type.Object({
  title: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
  errors: Type.Optional(
    Type.Array(Type.Object({ pointer: Type.String(), message: Type.String() })),
  ),
  acceptedCount: Type.Optional(Type.Integer({ minimum: 0 })),
  rejectedCount: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type Problem = Static<typeof Problem>;

export const readProblem = (text: string): Problem => {
  const checked = check(Problem, parseJson(text));
  return checked.ok ? checked.value : { detail: text.slice(0, 200) };
};

/** JSON, or undefined where it is none. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

export const describeProblem = (status: number, problem: Problem): string =>
  [`${status}`, problem.title, problem.detail]
    .filter((part) => part)
    .join(': ')
    .slice(0, 400);

/** A device listener's address: https only, for everything after the first contact is authenticated. */
export const collectorEndpoint = (collectorUrl: string, path: string): URL =>
  new URL(path, collectorUrl.endsWith('/') ? collectorUrl : `${collectorUrl}/`);
