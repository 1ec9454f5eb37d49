import { once } from 'node:events';
import { startTypeScriptWorker } from '../kernel/typescript-worker.ts';
import type { TimingOrder, TimingReport } from './timing.ts';

/** Starts the timing thread; resolves when every queue is bound. */
export const startTiming = async (
  order: TimingOrder,
): Promise<TimingReport & { failed: Promise<unknown>; stop(): void }> => {
  const worker = startTypeScriptWorker(new URL('./timing.ts', import.meta.url), order);
  const [report] = (await once(worker, 'message')) as [TimingReport];
  return {
    ...report,
    failed: new Promise((resolve) => worker.once('error', resolve)),
    stop: () => void Atomics.store(order.shared.stop, 0, 1),
  };
};
