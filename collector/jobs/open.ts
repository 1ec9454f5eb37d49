import type { State } from '#collector/state/state.ts';
import type { Log } from '#runtime/log.ts';
import { openInProcessJobs } from './in-process.ts';
import type { Jobs } from './jobs.ts';

export type JobsConfig =
  | { engine: 'in-process' }
  | { engine: 'bullmq'; redisUrl: string; prefix?: string };

/** Opens the queues; the in-process engine keeps them in `state`, BullMQ in Redis. */
export const openJobs = async (
  config: JobsConfig,
  parts: { state: State; log: Log },
): Promise<Jobs> => {
  if (config.engine === 'in-process') return openInProcessJobs(parts);
  const { openBullmqJobs } = await import('./bullmq.ts');
  return openBullmqJobs({ ...config, log: parts.log });
};
