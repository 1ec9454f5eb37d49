import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { backUpState } from '../backup/state-backup.ts';
import type { App } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';

/**
 * The state for who may read all of it: the CA's key is in it. A POST, so that no cookie opens it.
 * Made into a file first: the snapshot does not wait for whoever takes it.
 */
export const registerBackupRoute = (
  app: App,
  parts: { db: Database; stateFolder: string; auth: OperatorAuth; now: () => number },
): void => {
  let isUnderWay = false;
  app.post(
    '/v1/backups',
    {
      schema: {
        tags: ['backup'],
        summary: 'Everything this collector knows of its tenant but the series, as one file',
        security: [{ operatorToken: [] }],
        response: {
          200: {
            description: 'for `whyslow restore`; holds the CA’s key',
            content: { 'application/octet-stream': { schema: Type.Any() } },
          },
        },
      },
      onRequest: parts.auth.require('admin'),
    },
    async (request, reply) => {
      if (isUnderWay) {
        throw new Problem('overloaded', {
          detail: 'a back-up is being made',
          retryAfterSeconds: 10,
        });
      }
      isUnderWay = true;
      const path = join(parts.stateFolder, `backup-${randomUUID()}.tmp`);
      try {
        const actor = actorOf(parts.auth.of(request));
        const entry = { actor, action: 'backup.made', subject: 'state', detail: {} };
        await writeAudit(parts.db, entry, parts.now());
        await backUpState({ ...parts, path, passphrase: undefined, now: parts.now() });
        const stream = createReadStream(path);
        stream.once('open', () => void rm(path, { force: true }));
        return reply.type('application/octet-stream').send(stream);
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      } finally {
        isUnderWay = false;
      }
    },
  );
};
