import type { WebhookRule } from '#contract/organisation.ts';
import type { WebhookMessage } from '#contract/webhook.ts';
import type { Delivery, DeliveryRows } from '../control/delivery-rows.ts';
import type { FleetRows } from '../control/fleet-rows.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';
import type { VerdictRows } from '../control/verdict-rows.ts';
import { type Jobs, retryPolicy } from '../jobs/jobs.ts';
import { isLeftTo } from './messages.ts';
import { type Posted, post } from './post.ts';
import { signatureHeaders } from './sign.ts';

const timeoutMs = 10_000;
/** A receiver may ask for this much patience and no more. */
const maxRetryAfterMs = 3_600_000;

/** Not delivered yet; the queue tries again by its policy. */
export class DeliveryFailed extends Error {
  override name = 'DeliveryFailed';
}

/**
 * The notify job: sends one message of the outbox. Running it twice is harmless: what is no longer
 * waiting is left alone, and a receiver knows a repeat by its `webhook-id`.
 */
export const createDeliver = (parts: {
  deliveries: DeliveryRows;
  organisations: OrganisationVersions;
  fleetRows: Pick<FleetRows, 'standing' | 'incident'>;
  verdicts: Pick<VerdictRows, 'leaveTo'>;
  jobs: Jobs;
  now: () => number;
  signal: AbortSignal;
}) => {
  const { deliveries, now } = parts;

  const giveUp = (id: string, status: number | null, error: string) =>
    deliveries.record(id, { state: 'given-up', status, error }, now());

  const ruleOf = async ({ webhookId }: Delivery): Promise<WebhookRule | undefined> => {
    const { document } = await parts.organisations.current();
    return document.webhooks?.find(({ id }) => id === webhookId);
  };

  const send = ({ id, body }: Delivery, rule: WebhookRule): Promise<Posted> => {
    const headers = signatureHeaders({ secret: rule.secret, id, atMs: now(), body });
    return post({ url: rule.url, headers, body, timeoutMs, signal: parts.signal });
  };

  /** While a device's message waited a shared incident may have been found, and told. */
  const toldMeanwhile = async (delivery: Delivery, rule: WebhookRule) => {
    if (delivery.eventType !== 'verdict.opened' || delivery.attemptCount > 0) return undefined;
    const { device, application } = JSON.parse(delivery.body) as WebhookMessage;
    const standing = await parts.fleetRows.standing(device.id, application.id);
    const id = standing?.causes?.[0]?.incidentId;
    const shared = id === undefined ? undefined : await parts.fleetRows.incident(id);
    return shared?.live && isLeftTo(rule, shared) ? shared.id : undefined;
  };

  return async (deliveryId: string): Promise<void> => {
    const delivery = await deliveries.find(deliveryId);
    if (delivery?.state !== 'waiting') return;
    const rule = await ruleOf(delivery);
    if (!rule) return giveUp(deliveryId, null, 'the webhook is no longer configured');
    const sharedId = await toldMeanwhile(delivery, rule);
    if (sharedId !== undefined) {
      await parts.verdicts.leaveTo(delivery.incidentId, sharedId);
      return giveUp(deliveryId, null, `told as incident ${sharedId}`);
    }
    const posted = await send(delivery, rule);
    // Stopping is not the receiver's failure: it is sent at the next start.
    if (!posted.answered && parts.signal.aborted) throw new DeliveryFailed('stopping');
    const status = posted.answered ? posted.status : null;
    if (status !== null && status >= 200 && status < 300) {
      return deliveries.record(deliveryId, { state: 'delivered', status, error: null }, now());
    }
    const error = posted.answered ? posted.excerpt : posted.reason;
    // 410 Gone: the receiver asks never to be told again.
    const isLast = delivery.attemptCount + 1 >= retryPolicy.notify.attempts;
    if (status === 410 || isLast) return giveUp(deliveryId, status, error);
    await deliveries.record(deliveryId, { state: 'waiting', status, error }, now());

    const delayMs = posted.answered ? retryAfterMs(posted.retryAfter, now()) : undefined;
    if (delayMs === undefined)
      throw new DeliveryFailed(`webhook not delivered: ${status ?? error}`);
    // Under its own id while it runs: the queue runs it once more, after the delay.
    await parts.jobs.enqueue('notify', { deliveryId }, { id: deliveryId, delayMs });
  };
};

/** RFC 9110 §10.2.3: seconds, or a date. */
const retryAfterMs = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), maxRetryAfterMs) : undefined;
};
