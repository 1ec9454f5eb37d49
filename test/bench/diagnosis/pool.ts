import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { type Job, type JobResult, nameOf } from './jobs.ts';

export type Progress = (what: string, doneShare: number) => void;

/** Runs every job in a process of its own, as many at once as there are cores; results in order. */
export const runJobs = async (jobs: readonly Job[], progress: Progress): Promise<JobResult[]> => {
  const results = new Map<number, JobResult>();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index];
      if (job !== undefined)
        results.set(index, await runApart(job, (share) => progress(nameOf(job), share)));
    }
  };
  const count = Math.min(availableParallelism(), jobs.length);
  await Promise.all(Array.from({ length: count }, work));
  return jobs.map((_, index) => {
    const result = results.get(index);
    if (result === undefined) throw new Error(`job ${index} gave no result`);
    return result;
  });
};

type Message = JobResult | { kind: 'progress'; share: number };

const runApart = (job: Job, onProgress: (share: number) => void): Promise<JobResult> =>
  new Promise((resolve, reject) => {
    // Structured clones: faults that several tickets share stay one object, and maps stay maps.
    const child = fork(new URL('./job-role.ts', import.meta.url), [], {
      serialization: 'advanced',
    });
    let result: JobResult | undefined;
    child.on('message', (message) => {
      const told = message as Message;
      if (told.kind === 'progress') onProgress(told.share);
      else result = told;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`${nameOf(job)} ended with ${code} and without a result`));
    });
    child.send(job);
  });
