import { Type } from '@sinclair/typebox';
import { Count, EpochMs, Nullable, OneOf, Slug, Text, Uuid } from '#contract/scalar.ts';
import { Verdict, verdictStates } from '#contract/verdict.ts';
import { answers, ListOf, Page, pageOf } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import type { OperatorAuth } from '../http/operator-auth.ts';
import type { Database } from '../state/state.ts';
import { listAudit } from './audit.ts';
import type { DeliveryRows } from './delivery-rows.ts';
import type { VerdictRows } from './verdict-rows.ts';

const security = [{ operatorToken: [] }];

const VerdictLine = Type.Object(
  { deviceId: Uuid, appId: Slug, at: EpochMs, state: OneOf(verdictStates), verdict: Verdict },
  { $id: 'VerdictLine' },
);
const DeliveryLine = Type.Object(
  {
    id: Uuid,
    webhookId: Text(64),
    incidentId: Uuid,
    eventType: Text(32),
    state: OneOf(['waiting', 'delivered', 'given-up'] as const),
    attemptCount: Count,
    lastStatus: Nullable(Count),
    lastError: Nullable(Text(300)),
    createdAt: EpochMs,
    deliveredAt: Nullable(EpochMs),
  },
  { $id: 'Delivery' },
);
const AuditLine = Type.Object(
  {
    id: Uuid,
    at: EpochMs,
    actor: Text(100),
    action: Text(64),
    subject: Text(100),
    detail: Type.Unknown(),
  },
  { $id: 'AuditEntry' },
);

/** What was judged, told and done. */
export const registerRecordRoutes = (
  app: App,
  parts: { verdicts: VerdictRows; deliveries: DeliveryRows; db: Database; auth: OperatorAuth },
): void => {
  app.get(
    '/v1/verdicts',
    {
      schema: {
        tags: ['verdicts'],
        summary: 'The newest verdict of each device and application',
        security,
        querystring: Type.Object({
          device: Type.Optional(Uuid),
          app: Type.Optional(Slug),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        }),
        response: answers(ListOf(VerdictLine), 'Newest first'),
      },
      onRequest: parts.auth.require('viewer'),
    },
    async ({ query: { device, app: appId, limit = 100 } }, reply) => {
      const filter = {
        ...(device === undefined ? {} : { deviceId: device }),
        ...(appId === undefined ? {} : { appId }),
      };
      return reply.send({ items: await parts.verdicts.list(filter, limit) } as never);
    },
  );

  app.get(
    '/v1/deliveries',
    {
      schema: {
        tags: ['webhooks'],
        summary: 'What webhooks were, or are to be, told',
        security,
        querystring: Page,
        response: answers(ListOf(DeliveryLine), 'Newest first'),
      },
      onRequest: parts.auth.require('viewer'),
    },
    async ({ query }) => ({ items: await parts.deliveries.list(pageOf(query)) }),
  );

  app.get(
    '/v1/audit',
    {
      schema: {
        tags: ['audit'],
        summary: 'Who did what',
        security,
        querystring: Page,
        response: answers(ListOf(AuditLine), 'Newest first'),
      },
      onRequest: parts.auth.require('admin'),
    },
    async ({ query }) => ({ items: await listAudit(parts.db, pageOf(query)) }),
  );
};
