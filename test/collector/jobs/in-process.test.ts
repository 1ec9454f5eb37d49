import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openInProcessJobs } from '#collector/jobs/in-process.ts';
import { JobsUnavailable } from '#collector/jobs/jobs.ts';
import { jobs as jobsTable } from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { silentLog } from '#runtime/log.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { jobsContract } from './jobs.contract.ts';

jobsContract('PGlite, in process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-jobs-'));
  let state: State | undefined;
  const openedState = async () => {
    state ??= await openEmptyState(folder);
    return state;
  };
  const letGo = async () => {
    await state?.stop();
    state = undefined;
  };
  return {
    async fresh() {
      await (await openedState()).db.delete(jobsTable);
      return {
        async lend() {
          await letGo();
          return ['in-process', folder];
        },
        async open(options = {}) {
          const jobs = openInProcessJobs({
            ...options,
            state: await openedState(),
            log: silentLog(),
          });
          return { jobs, close: () => jobs.stop() };
        },
      };
    },
    async stop() {
      await letGo();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describe('in-process jobs', () => {
  it('say that they are unavailable when the state is gone', async () => {
    const state = await openEmptyState(await makeTemporaryFolder());
    const jobs = openInProcessJobs({ state, log: silentLog() });
    jobs.work('notify', async () => undefined);
    await state.stop();
    await expect(jobs.enqueue('notify', { deliveryId: 'n' }, { id: 'n' })).rejects.toThrow(
      JobsUnavailable,
    );
    await expect(jobs.ping()).rejects.toThrow(JobsUnavailable);
    await jobs.stop();
  });
});
