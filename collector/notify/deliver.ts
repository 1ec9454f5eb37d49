import type { Delivery, DeliveryRows } from '../control/delivery-rows.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';
import { type Jobs, retryPolicy } from '../jobs/jobs.ts';
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
  jobs: Jobs;
  now: () => number;
  signal: AbortSignal;
}) => {
  const { deliveries, now } = parts;

  const giveUp = (id: string, status: number | null, error: string) =>
    deliveries.record(id, { state: 'given-up', status, error }, now());

  const send = async (delivery: Delivery): Promise<Posted | undefined> => {
    const { document } = await parts.organisations.current();
    const rule = document.webhooks?.find(({ id }) => id === delivery.webhookId);
    if (!rule) return undefined;
    const { id, body } = delivery;
    const headers = signatureHeaders({ secret: rule.secret, id, atMs: now(), body });
    return post({ url: rule.url, headers, body, timeoutMs, signal: parts.signal });
  };

  return async (deliveryId: string): Promise<void> => {
    const delivery = await deliveries.find(deliveryId);
    if (delivery?.state !== 'waiting') return;
    const posted = await send(delivery);
    if (!posted) return giveUp(deliveryId, null, 'the webhook is no longer configured');
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
