import { type Job, runJob } from './jobs.ts';

/** A process of its own for one job at a time; told and answered by messages. */
process.on('message', (job: Job) => {
  const result = runJob(job, (share) => process.send?.({ kind: 'progress', share }));
  process.send?.(result, () => process.disconnect());
});
