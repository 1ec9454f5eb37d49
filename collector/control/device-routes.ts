import { Type } from '@sinclair/typebox';
import { EnrollmentRequest, EnrollmentResponse, RenewalRequest } from '#contract/enrollment.ts';
import { SignedConfig } from '#contract/policy.ts';
import { answers } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import type { ConfigSource } from './config-source.ts';
import type { Enrollment } from './enrollment.ts';
import type { IdentityCheck } from './identity.ts';
import type { RefusalLimit } from './refusal-limit.ts';

const security = [{ clientCertificate: [] }];

/** What devices and edges ask of the centre: whom to trust, who they are, what to do. */
export const registerDeviceRoutes = (
  app: App,
  parts: {
    caCertificatePem: string;
    enrollment: Enrollment;
    identities: IdentityCheck;
    configFor: ConfigSource;
    refusals: RefusalLimit;
  },
): void => {
  const { enrollment, identities, refusals } = parts;

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
      onRequest: identities.require,
    },
    (request) => enrollment.renew(identities.of(request), request.body),
  );

  app.get(
    '/v1/config',
    {
      schema: {
        tags: ['config'],
        summary: 'What this device or edge is to do, signed; ETag is the revision',
        security,
        response: answers(SignedConfig, 'payload: device-config or edge-config'),
      },
      onRequest: identities.require,
    },
    async (request, reply) => {
      const config = await parts.configFor(identities.of(request));
      const tag = `"${config.revision}"`;
      reply.header('etag', tag).header('cache-control', 'no-cache');
      if (request.headers['if-none-match'] === tag) return reply.code(304).send(undefined as never);
      return reply.send(await config.sign());
    },
  );
};
