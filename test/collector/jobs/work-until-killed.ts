import { openBullmqJobs } from '#collector/jobs/bullmq.ts';
import { openInProcessJobs } from '#collector/jobs/in-process.ts';
import { openState } from '#collector/state/open.ts';
import { silentLog } from '#runtime/log.ts';

/** Enqueues 20 jobs, starts two, prints which, and never finishes them. */
const [engine, place = '', prefix = ''] = process.argv.slice(2);
const log = silentLog();
const jobs =
  engine === 'bullmq'
    ? await openBullmqJobs({ redisUrl: place, prefix, log })
    : openInProcessJobs({ state: await openState({ engine: 'pglite', folder: place }), log });
for (let i = 0; i < 20; i += 1) {
  await jobs.enqueue('diagnose', { deviceId: 'd', appId: `app-${i}` }, { id: `d:app-${i}` });
}
jobs.work(
  'diagnose',
  async ({ appId }) => {
    process.stdout.write(`${appId}\n`);
    await new Promise(() => undefined);
  },
  { concurrency: 2 },
);
