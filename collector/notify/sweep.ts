import type { Log } from '#runtime/log.ts';
import type { DeliveryRows } from '../control/delivery-rows.ts';
import type { Jobs } from '../jobs/jobs.ts';

const everyMs = 60_000;
const atOnce = 1_000;

/**
 * At the start and each minute: every message that waits has its job. Covers a crash between the
 * outbox's commit and the enqueueing; a job that is there already is the same job.
 */
export const startDeliverySweep = (parts: { deliveries: DeliveryRows; jobs: Jobs; log: Log }) => {
  const sweep = async (): Promise<void> => {
    try {
      for (const deliveryId of await parts.deliveries.waitingIds(atOnce)) {
        await parts.jobs.enqueue('notify', { deliveryId }, { id: deliveryId });
      }
    } catch (error) {
      parts.log.warn({ component: 'notify', err: error }, 'waiting deliveries not looked at');
    }
  };
  let running = sweep();
  const timer = setInterval(() => {
    running = running.then(sweep);
  }, everyMs);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await running;
    },
  };
};
