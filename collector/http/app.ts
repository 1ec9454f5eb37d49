import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
  type FastifyTypeProvider,
  fastify,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
} from 'fastify';
import { type Checked, check, checkOpen, type Mistake } from '#contract/check.ts';
import type { Log } from '#runtime/log.ts';
import { createOutages } from './outages.ts';
import { findUnstorable } from './plain-text.ts';
import { problemOf } from './problem-of.ts';
import { Problem, type ProblemName } from './problems.ts';

/** Handlers get the types of their route's schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

export type App = FastifyInstance<
  Server,
  RawRequestDefaultExpression<Server>,
  RawReplyDefaultExpression<Server>,
  FastifyBaseLogger,
  TypeBoxProvider
>;

export type TlsOptions = { certificatePem: string; privateKeyPem: string; caPem: string };

/** Ingest and the organisation take more, and set their own limits. */
const bodyLimitBytes = 256 * 1024;

/**
 * A listener before its routes: checks by the contract's own checker, errors as problem details
 * wherever they arise, nothing of fastify's own wording on the wire.
 */
export const createApp = (options: {
  log: Log;
  tls?: TlsOptions;
  /** Told the name of each problem that is answered. */
  onProblem?: (name: ProblemName) => void;
}): App => {
  const log = options.log.child({ component: 'http' });
  const retryAfter = createOutages();
  const answer: Answer = (error, request, reply) => {
    const problem = problemOf(error);
    options.onProblem?.(problem.problem);
    const seconds = retryAfter(problem);
    const wait = seconds === undefined ? {} : { 'retry-after': String(seconds) };
    answerProblem(log, { error, problem, wait }, request, reply);
  };
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: bodyLimitBytes,
    // A whole request within this, against senders that trickle (node answers 408 itself).
    requestTimeout: 60_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    return503OnClosing: true,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: answer,
    clientErrorHandler,
    ...(options.tls === undefined ? {} : { https: httpsOptions(options.tls) }),
  }) as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  // Answers are built by us from typed values; the schemas of answers are there to be read.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler(answer);
  app.setNotFoundHandler((request, reply) => answer(noSuchRoute(), request, reply));
  // Without this the body of a request to nowhere is read and parsed first.
  app.addHook('onRequest', async (request) => {
    if (request.is404) throw noSuchRoute();
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });
  return app;
};

const noSuchRoute = () => new Problem('not-found', { detail: 'no such route' });

/** Any certificate may knock; each route decides whether one of our own is needed. */
const httpsOptions = (tls: TlsOptions) => ({
  cert: tls.certificatePem,
  key: tls.privateKeyPem,
  ca: tls.caPem,
  minVersion: 'TLSv1.3' as const,
  requestCert: true,
  rejectUnauthorized: false,
  handshakeTimeout: 10_000,
});

type Answer = (
  error: unknown,
  request: Pick<FastifyRequest, 'method' | 'routeOptions' | 'id'>,
  reply: Pick<FastifyReply, 'code' | 'headers' | 'send'>,
) => void;

const answerProblem = (
  log: Log,
  { error, problem, wait }: { error: unknown; problem: Problem; wait: Record<string, string> },
  request: Parameters<Answer>[1],
  reply: Parameters<Answer>[2],
): void => {
  const instance = `urn:uuid:${request.id}`;
  const { problem: name, status } = problem;
  const route = request.routeOptions?.url;
  const fields = { instance, method: request.method, route, problem: name };
  if (name === 'internal') log.error({ ...fields, err: error }, 'request failed');
  else if (status >= 500) log.warn({ ...fields, err: error }, 'request refused for now');
  // Anybody can make as many of these as they like: not a line each, unless one looks for them.
  else log.debug(fields, 'request refused');
  reply
    .code(status)
    .headers({ ...problem.headers(), ...wait })
    .send(JSON.stringify({ ...problem.body(), instance }));
};

/** Body, query and path through the contract's checker; a route may bring its own for the body. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = (route) =>
  validatorWith(check, route);

/** For what programs of ours send, which may be of a later version than this collector. */
export const openValidatorCompiler = (route: { schema: unknown; httpPart?: string | undefined }) =>
  validatorWith(checkOpen, { ...route, schema: route.schema as TSchema });

const validatorWith = (
  checkWith: (schema: TSchema, value: unknown) => Checked<unknown>,
  { schema, httpPart }: { schema: TSchema; httpPart?: string | undefined },
): ReturnType<FastifySchemaCompiler<TSchema>> => {
  const isText = httpPart !== 'body';
  return (value: unknown) => {
    // Query and path arrive as text: `?limit=10` becomes the number the schema asks for.
    const checked = checkWith(schema, isText ? Value.Convert(schema, Value.Clone(value)) : value);
    const mistakes = checked.ok ? findUnstorable(checked.value) : checked.mistakes;
    if (checked.ok && mistakes.length === 0) return { value: checked.value };
    return { error: invalidFields(mistakes, isText ? httpPart : undefined) };
  };
};

/** As fastify takes a failed check from a validator. */
export const invalidFields = (mistakes: readonly Mistake[], part?: string) => {
  const errors = mistakes.map(({ pointer, message }) => ({
    pointer: part === undefined ? pointer : `/${part}${pointer}`,
    message,
  }));
  return new Problem('invalid-fields', { errors }) as unknown as FastifyError;
};

/** Before there is a request: what the HTTP parser refuses. */
const clientErrorHandler = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = new Problem(
    error.code === 'HPE_HEADER_OVERFLOW' ? 'headers-too-large' : 'bad-request',
    { detail: 'not an HTTP request this listener can read' },
  );
  const body = JSON.stringify(problem.body());
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
};
