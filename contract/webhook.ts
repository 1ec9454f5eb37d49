import { type Static, Type } from '@sinclair/typebox';
import { closed, EpochMs, Nullable, OneOf, Slug, Text, Uuid } from './scalar.ts';
import { Verdict } from './verdict.ts';

/**
 * What a webhook receives, in the manner of the Standard Webhooks specification: headers
 * `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature: v1,<base64 HMAC-SHA256 over
 * "id.timestamp.body">`. `webhook-id` stays the same over retries, so a receiver can drop repeats.
 */
export const WebhookMessage = Type.Object(
  {
    version: Type.Literal(1),
    type: OneOf(['verdict.opened', 'verdict.closed'] as const),
    incidentId: Uuid,
    at: EpochMs,
    application: Type.Object({ id: Slug, name: Text(128) }, closed),
    device: Type.Object({ id: Uuid, name: Text(128) }, closed),
    openedAt: EpochMs,
    closedAt: Nullable(EpochMs),
    /** The verdict that opened it, or the one that closed it. */
    verdict: Verdict,
    /** The triage page about it. */
    url: Text(512),
  },
  { ...closed, $id: 'WebhookMessage' },
);
export type WebhookMessage = Static<typeof WebhookMessage>;
