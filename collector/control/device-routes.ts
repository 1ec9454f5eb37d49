import { Type } from '@sinclair/typebox';
import type { FastifyReply } from 'fastify';
import { EnrollmentRequest, EnrollmentResponse, RenewalRequest } from '#contract/enrollment.ts';
import { SignedConfig } from '#contract/policy.ts';
import { answers } from '../http/answers.ts';
import { type App, openValidatorCompiler } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import type { ConfigSource } from './config-source.ts';
import type { Enrollment } from './enrollment.ts';
import { askerOf, type HeldQuestions } from './held-questions.ts';
import type { IdentityCheck } from './identity.ts';
import type { RefusalLimit } from './refusal-limit.ts';

const security = [{ clientCertificate: [] }];

/** As long as any proxy keeps a connection without a byte on it. */
const longestWaitSeconds = 60;

/** What devices and edges ask of the centre: whom to trust, who they are, what to do. */
export const registerDeviceRoutes = (
  app: App,
  parts: {
    caCertificatePem: string;
    enrollment: Enrollment;
    identities: IdentityCheck;
    configs: ConfigSource;
    held: HeldQuestions;
    refusals: RefusalLimit;
  },
): void => {
  const { enrollment, identities, held, refusals } = parts;

  app.get(
    '/v1/ca',
    {
      schema: {
        tags: ['enrollment'],
        summary: 'The tenant’s CA; the token holds its fingerprint',
        response: {
          200: { description: 'PEM', content: { 'text/plain': { schema: Type.String() } } },
        },
      },
    },
    async (_request, reply) => reply.type('text/plain').send(parts.caCertificatePem),
  );

  app.post(
    '/v1/enroll',
    {
      schema: {
        tags: ['enrollment'],
        summary: 'Exchange a token and a certificate request for an identity',
        body: EnrollmentRequest,
        response: answers(EnrollmentResponse, 'The identity'),
      },
      validatorCompiler: openValidatorCompiler,
      onRequest: async (request) => {
        const retryAfterSeconds = refusals.waitSeconds(request.ip);
        if (retryAfterSeconds > 0) throw new Problem('rate-limited', { retryAfterSeconds });
      },
    },
    async (request) => {
      try {
        return await enrollment.enroll(request.body);
      } catch (error) {
        if (error instanceof Problem && error.status < 500) refusals.refused(request.ip);
        throw error;
      }
    },
  );

  app.post(
    '/v1/renew',
    {
      schema: {
        tags: ['enrollment'],
        summary: 'The next certificate, with the present one',
        security,
        body: RenewalRequest,
        response: answers(EnrollmentResponse, 'The same identity with a new certificate'),
      },
      validatorCompiler: openValidatorCompiler,
      onRequest: identities.require,
    },
    (request) => enrollment.renew(identities.of(request), request.body),
  );

  app.get(
    '/v1/config',
    {
      schema: {
        tags: ['config'],
        summary: 'What this device or edge is to do, signed; ETag changes with it',
        description:
          'With `Prefer: wait=<seconds>` (RFC 7240) and the ETag it has, a device is answered when ' +
          'something is asked of it, an edge when its config may have changed, at the latest after ' +
          'that time; `Preference-Applied` says so. With `Prefer: burst` the config also says what may ' +
          'be measured on suspicion.',
        security,
        response: answers(SignedConfig, 'payload: device-config or edge-config'),
      },
      onRequest: identities.require,
    },
    async (request, reply) => {
      const identity = identities.of(request);
      const waitSeconds = readWaitSeconds(request.headers['prefer']);
      const takes = {
        takesNews: waitSeconds >= 0,
        takesBurst: takesBurst(request.headers['prefer']),
      };
      const known = request.headers['if-none-match'];
      const asker = askerOf(identity);
      const hasRoom = () => held.hasRoom(asker);
      const isHeld = waitSeconds > 0 && hasRoom();
      const read = () => parts.configs.of(identity, takes);

      let config = await read();
      const deadlineMs = performance.now() + waitSeconds * 1_000;
      const gone = goneSignal(reply);
      while (isHeld && config.tag === known && !gone.aborted && hasRoom()) {
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0) break;
        // What else has changed meanwhile is seen by the next question, which comes at once.
        if ((await held.hold(asker, leftMs, gone)) === 'over') break;
        // It may have been revoked meanwhile.
        await identities.require(request);
        config = await read();
      }
      if (isHeld) reply.header('preference-applied', `wait=${waitSeconds}`);
      reply.header('etag', config.tag).header('cache-control', 'no-cache');
      if (config.tag === known) return reply.code(304).send(undefined as never);
      return reply.send(await config.sign());
    },
  );
};

/** RFC 7240 section 4.3; −1: not said. */
const readWaitSeconds = (header: string | string[] | undefined): number => {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})/i.exec(String(header ?? ''))?.[1];
  return seconds === undefined ? -1 : Math.min(longestWaitSeconds, Number(seconds));
};

/** Of programs that know bursts on suspicion. */
const takesBurst = (header: string | string[] | undefined): boolean =>
  /(?:^|[,;\s])burst(?:$|[,;\s])/i.test(String(header ?? ''));

/** Aborted when whoever asked is gone. */
const goneSignal = (reply: Pick<FastifyReply, 'raw'>): AbortSignal => {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
};
