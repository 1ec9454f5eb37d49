import type { Jobs } from '../jobs/jobs.ts';
import type { BinClock } from './bin-clock.ts';
import { jobId } from './tick.ts';

/** Asks for each shard's bins as they may be closed; of N collectors' asking one job comes. */
export const startTickTimer = (parts: {
  jobs: Jobs;
  clock: BinClock;
  shards: () => Promise<string[]>;
  now: () => number;
  onError: (error: unknown) => void;
}) => {
  const { jobs, clock, now } = parts;
  let timer: NodeJS.Timeout;

  const ask = async (): Promise<void> => {
    const bin = clock.newestClosed(now());
    for (const shard of await parts.shards()) {
      await jobs.enqueue('tick', { shard, bin, passed: 0 }, { id: jobId({ shard, bin }) });
    }
  };
  const next = (): void => {
    void ask().catch(parts.onError);
    const waitMs = clock.closesAt(clock.newestClosed(now()) + 1) - now();
    timer = setTimeout(next, Math.max(1, waitMs));
  };
  next();
  return { stop: () => clearTimeout(timer) };
};
