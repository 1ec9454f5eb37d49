import { Acknowledgement, Batch } from '#contract/telemetry.ts';
import type { IdentityCheck } from '../control/identity.ts';
import { answers } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import { withRawBody } from '../http/raw-body.ts';
import type { Ingest } from './ingest.ts';
import { createIntake, type IntakeWatch } from './intake.ts';
import { createLimits, type IngestLimits } from './limits.ts';
import { inflatesTo, readBatch } from './read-batch.ts';

/** As it travels; the agent's batches are about 100 kB. */
const maxBodyBytes = 4 * 1024 * 1024;

/**
 * In megabytes that bodies may inflate to: four of the largest, 64 of those that devices send each minute.
 * Those in line hold their compressed body only.
 */
const limits = { atOnce: 64, waiting: 64 };

/** Where results and samples come in. */
export const registerIngestRoutes = (
  app: App,
  parts: {
    ingest: Ingest;
    identities: IdentityCheck;
    watch: IntakeWatch;
    limits: IngestLimits;
    now: () => number;
  },
): void => {
  const { identities, watch } = parts;
  const senders = createLimits(parts);
  const intake = createIntake({ identities, limits, retryAfterSeconds: 2, watch });

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
        onRequest: [
          ...intake.onRequest,
          // Before a byte of the body is read.
          async (request) => senders.require(identities.of(request)),
        ],
      },
      async (request) => {
        const body = request.body as unknown;
        if (!Buffer.isBuffer(body)) throw new Problem('bad-request', { detail: 'no body' });
        const { acknowledgement, refused } = await intake.inTurn(async () => {
          const batch = await readBatch(body, request.headers['content-encoding']);
          const sender = identities.of(request);
          senders.charge(sender, { records: batch.records.length, bytes: body.length });
          return parts.ingest(sender, batch);
        }, inflatedMb(body));
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

const inflatedMb = (body: Buffer): number => Math.ceil(inflatesTo(body) / (1024 * 1024));
