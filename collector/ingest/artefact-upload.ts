import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Type } from '@sinclair/typebox';
import {
  type ArtefactKind,
  artefactKinds,
  artefactMediaTypes,
  maxArchiveBytes,
  maxArtefactBytes,
} from '#contract/artefact.ts';
import { OneOf, Slug, Uuid } from '#contract/scalar.ts';
import type { ArtefactRow, ArtefactRows } from '../control/artefact-rows.ts';
import type { IdentityCheck } from '../control/identity.ts';
import { noContent } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import { withRawBody } from '../http/raw-body.ts';
import { createIntake } from './intake.ts';

const inflate = promisify(gunzip);

/** They are large and nothing waits for them. */
const limits = { atOnce: 2, waiting: 16 };

/** Where devices send what a run made beside its figures. */
export const registerArtefactUpload = (
  app: App,
  parts: { artefacts: ArtefactRows; identities: IdentityCheck; now: () => number },
): void => {
  const intake = createIntake({ identities: parts.identities, limits, retryAfterSeconds: 10 });

  const registerRoute = (scope: App): void => {
    scope.put(
      '/v1/artefacts/:resultId/:kind',
      {
        schema: {
          tags: ['telemetry'],
          summary:
            'Keep the screenshot or HTTP archive (gzip) of a run; sent twice it is kept once',
          description: 'Of each device the newest 20 are kept, for 7 days.',
          security: [{ clientCertificate: [] }],
          consumes: Object.values(artefactMediaTypes),
          params: Type.Object({ resultId: Uuid, kind: OneOf(artefactKinds) }),
          querystring: Type.Object({ app: Slug }),
          response: noContent('Kept'),
        },
        onRequest: intake.onRequest,
      },
      async (request, reply) => {
        const identity = parts.identities.of(request);
        if (identity.role !== 'device') {
          throw new Problem('identity-refused', { detail: 'only devices make them' });
        }
        const { kind, resultId } = request.params;
        await intake.inTurn(async () => {
          const checked = await checkBytes(kind, request.body, request.headers);
          await parts.artefacts.add({
            resultId,
            kind,
            deviceId: identity.id,
            appId: request.query.app,
            mediaType: artefactMediaTypes[kind],
            ...checked,
            at: parts.now(),
          });
        });
        return reply.code(204).send();
      },
    );
  };

  withRawBody(
    app,
    { mediaTypes: Object.values(artefactMediaTypes), maxBytes: maxArtefactBytes },
    registerRoute,
  );
};

type Headers = { 'content-type'?: string | undefined; 'content-encoding'?: string | undefined };

const checkBytes = async (
  kind: ArtefactKind,
  body: unknown,
  headers: Headers,
): Promise<Pick<ArtefactRow, 'encoding' | 'bytes'>> => {
  if (!Buffer.isBuffer(body)) throw new Problem('bad-request', { detail: 'no body' });
  const mediaType = artefactMediaTypes[kind];
  if ((headers['content-type'] ?? '').split(';', 1)[0] !== mediaType) {
    throw new Problem('unsupported-media-type', { detail: `a ${kind} is ${mediaType}` });
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (kind === 'screenshot') {
    if (encoding === 'identity' && isJpeg(body)) return { encoding, bytes: body };
    throw new Problem('bad-request', { detail: 'the body is not a JPEG' });
  }
  if (encoding !== 'gzip') {
    throw new Problem('unsupported-media-type', { detail: 'Content-Encoding: gzip' });
  }
  await checkArchive(body);
  return { encoding, bytes: body };
};

const isJpeg = (bytes: Buffer): boolean =>
  bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]));

/** It is only ever handed out as a file: that it is whole and begins like one is enough. */
const checkArchive = async (bytes: Buffer): Promise<void> => {
  const text = await inflate(bytes, { maxOutputLength: maxArchiveBytes }).catch((error: Error) => {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw isTooLarge
      ? new Problem('body-too-large', { detail: `inflates to more than ${maxArchiveBytes} bytes` })
      : new Problem('bad-request', { detail: 'the body is not whole gzip' });
  });
  if (!text.subarray(0, 64).toString('latin1').startsWith('{"log":{"version":"1.2"')) {
    throw new Problem('bad-request', { detail: 'the body is not an HTTP archive 1.2' });
  }
};
