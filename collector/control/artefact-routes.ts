import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Type } from '@sinclair/typebox';
import { artefactKinds, artefactMediaTypes, maxArchiveBytes } from '#contract/artefact.ts';
import { OneOf, Uuid } from '#contract/scalar.ts';
import { binary } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import type { OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { ArtefactRow, ArtefactRows } from './artefact-rows.ts';

const inflate = promisify(gunzip);

/** It came from a device: nothing in it may run, load or be taken for something else. */
const safeHeaders = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'private, no-store',
};

/** Pictures and archives of single runs, for people. */
export const registerArtefactRoutes = (
  app: App,
  parts: { artefacts: ArtefactRows; auth: OperatorAuth },
): void => {
  app.get(
    '/v1/results/:resultId/artefacts/:kind',
    {
      schema: {
        tags: ['results'],
        summary: 'The screenshot or HTTP archive of one run, while it is kept',
        security: [{ operatorToken: [] }],
        params: Type.Object({ resultId: Uuid, kind: OneOf(artefactKinds) }),
        response: binary(Object.values(artefactMediaTypes), 'As the device made it'),
      },
      onRequest: parts.auth.require('viewer'),
    },
    async ({ params: { resultId, kind } }, reply) => {
      const row = await parts.artefacts.find(resultId, kind);
      if (row === undefined) {
        throw new Problem('not-found', { detail: `no ${kind} of this run is kept` });
      }
      const name = kind === 'har' ? `whyslow-${resultId}.har` : `whyslow-${resultId}.jpg`;
      reply
        .headers(safeHeaders)
        .header(
          'content-disposition',
          `${kind === 'har' ? 'attachment' : 'inline'}; filename="${name}"`,
        )
        .type(artefactMediaTypes[kind]);
      return reply.send((await plainBytes(row)) as never);
    },
  );
};

const plainBytes = async ({ encoding, bytes }: ArtefactRow): Promise<Buffer> =>
  encoding === 'gzip'
    ? inflate(bytes, { maxOutputLength: maxArchiveBytes })
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
