import { type Static, Type } from '@sinclair/typebox';
import { closed, EpochMs, Nullable, OneOf, Slug, Text, Uuid } from './scalar.ts';
import { SharedIncident, Verdict } from './verdict.ts';

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

/** One cause that slows several devices: told once, not for each of them. Signed in the same way. */
export const IncidentMessage = Type.Object(
  {
    version: Type.Literal(1),
    type: OneOf(['incident.opened', 'incident.closed'] as const),
    incidentId: Uuid,
    at: EpochMs,
    openedAt: EpochMs,
    closedAt: Nullable(EpochMs),
    /** Its scope, element and counts as they are when it is told. */
    incident: SharedIncident,
    /** The page about it. */
    url: Text(512),
  },
  { ...closed, $id: 'IncidentMessage' },
);
export type IncidentMessage = Static<typeof IncidentMessage>;

export const webhookEvents = [
  'verdict.opened',
  'verdict.closed',
  'incident.opened',
  'incident.closed',
] as const;
