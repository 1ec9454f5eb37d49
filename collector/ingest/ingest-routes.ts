import { Acknowledgement, Batch } from '#contract/telemetry.ts';
import type { IdentityCheck } from '../control/identity.ts';
import { answers } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import { withRawBody } from '../http/raw-body.ts';
import type { Ingest } from './ingest.ts';
import { createIntake } from './intake.ts';
import { readBatch } from './read-batch.ts';

/** As it travels; the agent's batches are about 100 kB. */
const maxBodyBytes = 4 * 1024 * 1024;

/** Each may hold 16 MB and what is made of it; those in line hold their compressed body only. */
const limits = { atOnce: 4, waiting: 64 };

/** Where results and samples come in. */
export const registerIngestRoutes = (
  app: App,
  parts: { ingest: Ingest; identities: IdentityCheck },
): void => {
  const intake = createIntake({ identities: parts.identities, limits, retryAfterSeconds: 2 });

  const registerRoute = (scope: App): void => {
    scope.post(
      '/v1/ingest',
      {
        schema: {
          tags: ['telemetry'],
          summary: 'Store a batch; sent twice it counts once',
          description:
            'gzip of a batch. Acknowledged once the store has it. With wrong records among good ' +
            'ones the good are stored and the answer is 400 `invalid-records`.',
          security: [{ clientCertificate: [] }],
          consumes: ['application/json'],
          body: Batch,
          response: answers(Acknowledgement, 'The store has it'),
        },
        // Records are checked one by one, after inflating: see check-records.ts.
        validatorCompiler: () => (value: unknown) => ({ value }),
        onRequest: intake.onRequest,
      },
      async (request) => {
        const { acknowledgement, refused } = await intake.inTurn(async () => {
          const body = request.body as unknown;
          if (!Buffer.isBuffer(body)) throw new Problem('bad-request', { detail: 'no body' });
          const batch = await readBatch(body, request.headers['content-encoding']);
          return parts.ingest(parts.identities.of(request), batch);
        });
        if (refused.rejectedCount === 0) return acknowledgement;
        throw new Problem('invalid-records', {
          detail: 'the other records were stored: do not send this batch again',
          errors: refused.mistakes,
          extensions: {
            batchId: acknowledgement.id,
            acceptedCount: acknowledgement.acceptedCount,
            rejectedCount: refused.rejectedCount,
          },
        });
      },
    );
  };

  withRawBody(app, { mediaTypes: ['application/json'], maxBytes: maxBodyBytes }, registerRoute);
};
