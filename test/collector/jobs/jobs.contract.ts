import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Jobs } from '#collector/jobs/jobs.ts';
import { startChildScript } from '#test/support/child-script.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** One place where jobs live; opening it again is what the next start of a collector does. */
export type JobsPlace = {
  open(options?: { stopTimeoutMs?: number }): Promise<{ jobs: Jobs; close(): Promise<void> }>;
  /** Lets go of it; the arguments by which work-until-killed.ts opens it. */
  lend(): Promise<string[]>;
};

export type JobsHarness = { fresh(): Promise<JobsPlace>; stop(): Promise<void> };

const diagnosis = (appId: string) => ({ deviceId: 'd', appId });

/** What every job engine does. */
export const jobsContract = (engine: string, start: () => Promise<JobsHarness>): void => {
  describe(`jobs on ${engine}`, () => {
    let harness: JobsHarness;
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(() => harness?.stop());

    const withJobs = async (use: (jobs: Jobs, place: JobsPlace) => Promise<void>) => {
      const place = await harness.fresh();
      const { jobs, close } = await place.open();
      try {
        await use(jobs, place);
      } finally {
        await close();
      }
    };

    it('runs a job with what it carries, and forgets it', () =>
      withJobs(async (jobs) => {
        await jobs.ping();
        const seen: unknown[] = [];
        jobs.work('diagnose', async (payload, attempt) => void seen.push([payload, attempt]));
        await jobs.enqueue('diagnose', diagnosis('crm'), { id: 'd:crm' });
        await waitUntil(() => seen.length > 0);
        expect(seen).toEqual([[diagnosis('crm'), { number: 1, last: false }]]);
        await waitUntil(async () => (await jobs.counts()).diagnose.active === 0);
        expect((await jobs.counts()).diagnose).toEqual({ waiting: 0, active: 0, failed: 0 });
      }));

    it('takes a job whose namesake still waits as the same job', () =>
      withJobs(async (jobs) => {
        for (let i = 0; i < 5; i += 1)
          await jobs.enqueue('diagnose', diagnosis('a'), { id: 'same' });
        await Promise.all(
          [1, 2, 3].map(() =>
            jobs.enqueue('diagnose', diagnosis('a'), { id: 'same', delayMs: 100 }),
          ),
        );
        await jobs.enqueue('diagnose', diagnosis('b'), { id: 'other' });
        expect((await jobs.counts()).diagnose.waiting).toBe(2);
        const seen: string[] = [];
        jobs.work('diagnose', async ({ appId }) => void seen.push(appId));
        await drained(jobs);
        expect(seen.sort()).toEqual(['a', 'b']);
      }));

    it('lets one id be waiting in several queues', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'x' });
        await jobs.enqueue('notify', { deliveryId: 'n' }, { id: 'x' });
        const counts = await jobs.counts();
        expect([counts.diagnose.waiting, counts.notify.waiting]).toEqual([1, 1]);
      }));

    it('runs a job once more that was asked for, however often, while it ran', () =>
      withJobs(async (jobs) => {
        const gate = makeGate();
        let runs = 0;
        let atOnce = 0;
        let mostAtOnce = 0;
        jobs.work(
          'diagnose',
          async () => {
            runs += 1;
            atOnce += 1;
            mostAtOnce = Math.max(mostAtOnce, atOnce);
            if (runs === 1) await gate.opened;
            atOnce -= 1;
          },
          { concurrency: 4 },
        );
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'again' });
        await waitUntil(() => runs === 1);
        for (let i = 0; i < 4; i += 1)
          await jobs.enqueue('diagnose', diagnosis('a'), { id: 'again' });
        gate.open();
        await waitUntil(() => runs === 2);
        await drained(jobs);
        await pause(300);
        expect([runs, mostAtOnce]).toEqual([2, 1]);
        // And the id is free again.
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'again' });
        await waitUntil(() => runs === 3);
        await drained(jobs);
      }));

    it('runs a delayed job when it is due and not before', () =>
      withJobs(async (jobs) => {
        const ranAt: number[] = [];
        jobs.work('diagnose', async () => void ranAt.push(performance.now()));
        const askedAt = performance.now();
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'later', delayMs: 700 });
        await waitUntil(() => ranAt.length === 1);
        // Redis and Node round their clocks differently: 20 ms of grace.
        expect((ranAt[0] ?? 0) - askedAt).toBeGreaterThan(680);
      }));

    it('tries a failing job again, each time later, until it succeeds', () =>
      withJobs(async (jobs) => {
        const attempts: { number: number; atMs: number }[] = [];
        jobs.work('diagnose', async (_, { number }) => {
          attempts.push({ number, atMs: performance.now() });
          if (number < 3) throw new Error('not yet');
        });
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'retry' });
        await waitUntil(() => attempts.length === 3);
        await drained(jobs);
        const [first, second, third] = attempts.map(({ atMs }) => atMs);
        expect(attempts.map(({ number }) => number)).toEqual([1, 2, 3]);
        // Half of 500 ms and half of 1,000 ms are the least the policy waits.
        expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(230);
        expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(480);
        expect((await jobs.counts()).diagnose.failed).toBe(0);
      }));

    it('gives a job up after its last attempt, counts it, and takes it anew when asked', () =>
      withJobs(async (jobs) => {
        const attempts: { number: number; last: boolean }[] = [];
        let broken = true;
        jobs.work('diagnose', async (_, attempt) => {
          attempts.push(attempt);
          if (broken) throw new Error('broken');
        });
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'hopeless' });
        await waitUntil(async () => (await jobs.counts()).diagnose.failed === 1);
        expect(attempts).toEqual([1, 2, 3, 4, 5].map((number) => ({ number, last: number === 5 })));
        broken = false;
        await jobs.enqueue('diagnose', diagnosis('a'), { id: 'hopeless' });
        await waitUntil(() => attempts.length === 6);
        expect(attempts[5]).toEqual({ number: 1, last: false });
      }));

    it('runs no more at once than asked, and that many', () =>
      withJobs(async (jobs) => {
        let atOnce = 0;
        let most = 0;
        jobs.work(
          'diagnose',
          async () => {
            atOnce += 1;
            most = Math.max(most, atOnce);
            await pause(50);
            atOnce -= 1;
          },
          { concurrency: 3 },
        );
        await enqueueMany(jobs, 15);
        await drained(jobs);
        expect(most).toBe(3);
      }));

    it('runs each of 1,000 jobs exactly once', () =>
      withJobs(async (jobs) => {
        const seen: string[] = [];
        jobs.work('diagnose', async ({ appId }) => void seen.push(appId), { concurrency: 8 });
        await enqueueMany(jobs, 1_000);
        await waitUntil(() => seen.length >= 1_000, 60_000);
        await drained(jobs);
        expect(seen.sort()).toEqual(Array.from({ length: 1_000 }, (_, i) => `app-${i}`).sort());
      }));

    it('lets running handlers finish when it stops, and leaves waiting jobs to the next start', async () => {
      const place = await harness.fresh();
      const first = await place.open();
      const gate = makeGate();
      const finished: string[] = [];
      let started = 0;
      first.jobs.work('diagnose', async ({ appId }) => {
        started += 1;
        await gate.opened;
        finished.push(appId);
      });
      await enqueueMany(first.jobs, 10);
      await first.jobs.enqueue('notify', { deliveryId: 'n' }, { id: 'n', delayMs: 60_000 });
      await waitUntil(() => started === 1);
      const stopping = first.jobs.stop();
      setTimeout(gate.open, 200);
      await stopping;
      expect(finished).toHaveLength(1);
      expect(started).toBe(1);
      await first.close();

      const second = await place.open();
      expect((await second.jobs.counts()).notify.waiting).toBe(1);
      second.jobs.work('diagnose', async ({ appId }) => void finished.push(appId));
      await drained(second.jobs);
      expect(finished.sort()).toEqual(Array.from({ length: 10 }, (_, i) => `app-${i}`).sort());
      await second.close();
    });

    it('stops within its time though a handler never ends, and runs that job at the next start', async () => {
      const place = await harness.fresh();
      const first = await place.open({ stopTimeoutMs: 300 });
      let started = false;
      first.jobs.work('diagnose', async () => {
        started = true;
        await new Promise(() => undefined);
      });
      await first.jobs.enqueue('diagnose', diagnosis('stuck'), { id: 'stuck' });
      await waitUntil(() => started);
      const before = performance.now();
      await first.close();
      expect(performance.now() - before).toBeLessThan(8_000);

      const second = await place.open();
      const seen: string[] = [];
      second.jobs.work('diagnose', async ({ appId }) => void seen.push(appId));
      await waitUntil(() => seen.length === 1, 45_000);
      expect(seen).toEqual(['stuck']);
      await second.close();
    }, 60_000);

    it('runs again what a killed process ran, and what it had not come to', async () => {
      const place = await harness.fresh();
      const script = join(import.meta.dirname, 'work-until-killed.ts');
      const child = startChildScript(script, await place.lend());
      const died = [await child.line(), await child.line()];
      await child.kill();
      const seen: string[] = [];
      const { jobs, close } = await place.open();
      jobs.work('diagnose', async ({ appId }) => void seen.push(appId), { concurrency: 2 });
      await waitUntil(() => new Set(seen).size === 20, 50_000);
      await drained(jobs);
      expect(seen).toEqual(expect.arrayContaining(died));
      expect(seen.sort()).toEqual(Array.from({ length: 20 }, (_, i) => `app-${i}`).sort());
      await close();
    }, 60_000);

    it('refuses a second worker of a queue in one process', () =>
      withJobs(async (jobs) => {
        jobs.work('expire', async () => undefined);
        expect(() => jobs.work('expire', async () => undefined)).toThrow('has a worker');
      }));
  });
};

const enqueueMany = async (jobs: Jobs, count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) {
    await jobs.enqueue('diagnose', diagnosis(`app-${i}`), { id: `d:app-${i}` });
  }
};

const drained = (jobs: Jobs): Promise<void> =>
  waitUntil(async () => {
    const { diagnose } = await jobs.counts();
    return diagnose.waiting + diagnose.active === 0;
  });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const makeGate = () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
};
