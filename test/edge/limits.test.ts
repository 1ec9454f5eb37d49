import { expect, it, onTestFinished } from 'vitest';
import { type Bank, createBank } from '#edge/bank.ts';
import { type DeviceLimits, defaultLimits } from '#edge/device-limits.ts';
import { createLimits } from '#edge/limits.ts';

/** Limits of `count` processes of one edge, on one clock. */
const start = (count: number, limits: Partial<DeviceLimits> = {}, lot = 1) => {
  const clock = { nowMs: 0 };
  const all = { ...defaultLimits, ...limits };
  const bank = createBank({ limits: all, monotonicMs: () => clock.nowMs });
  const { bytesPerSecond } = all;
  const processes = Array.from({ length: count }, (_, index) =>
    createLimits({ bank: bank.of(index), lot, bytesPerSecond, monotonicMs: () => clock.nowMs }),
  );
  return { clock, bank, processes, first: processes[0] as ReturnType<typeof createLimits> };
};

it('lets a device open a burst of flows, then 100 a second, and 1,024 at once', async () => {
  const { clock, first: limits } = start(1);
  for (let i = 0; i < defaultLimits.flowBurst; i++) expect(await limits.take('d')).toBeNull();
  expect(await limits.take('d')).toBe('flows a second');
  expect(await limits.take('another')).toBeNull();
  clock.nowMs += 1_000;
  for (let i = 0; i < defaultLimits.flowsPerSecond; i++) expect(await limits.take('d')).toBeNull();
  expect(await limits.take('d')).toBe('flows a second');
  clock.nowMs += 60_000;
  for (let i = 600; i < defaultLimits.concurrentFlows; i++) {
    expect(await limits.take('d')).toBeNull();
    clock.nowMs += 10;
  }
  expect(await limits.take('d')).toBe('flows at once');
  limits.release('d');
  expect(await limits.take('d')).toBeNull();
});

it('lets flows that are asked for at the same time share what there is', async () => {
  const { first: limits } = start(1, { flowBurst: 10 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => limits.take('d')));
  expect(answers.filter((answer) => answer === null)).toHaveLength(10);
});

it('holds over all processes of an edge, and gives a dead one’s flows to the others', async () => {
  const { bank, processes } = start(4, { concurrentFlows: 200 }, 16);
  const opened = processes.map(() => 0);
  for (let i = 0; i < 400; i++) {
    const at = i % 4;
    if ((await processes[at]?.take('d')) === null) opened[at] = (opened[at] ?? 0) + 1;
  }
  const total = opened.reduce((sum, count) => sum + count, 0);
  // Never more; fewer only by what the other processes hold and do not use.
  expect(total).toBeLessThanOrEqual(200);
  expect(total).toBeGreaterThanOrEqual(200 - 3 * 2 * 16);
  const [first, second] = processes;
  while ((await second?.take('d')) === null);
  bank.forget(0);
  expect(await second?.take('d')).toBeNull();
  for (let i = 0; i < 40; i++) first?.release('d');
});

it('refuses no flow for a kind the bank was not asked for while it was waited for', async () => {
  const bank = createBank({ limits: defaultLimits, monotonicMs: () => 0 }).of(0);
  const questions: (() => void)[] = [];
  const distant: Bank = {
    ...bank,
    grant: (key, wanted) =>
      new Promise((resolve) => questions.push(() => resolve(bank.grant(key, wanted)))),
  };
  const limits = createLimits({ bank: distant, lot: 2 });
  const answering = setInterval(() => questions.shift()?.(), 1);
  onTestFinished(() => clearInterval(answering));
  expect(await limits.take('d')).toBeNull();
  expect(await limits.take('d')).toBeNull();
  limits.release('d');
  expect(await limits.take('d')).toBeNull();
  // Two are open and one more has been earned: the question is about `open` alone.
  const first = limits.take('d');
  limits.release('d');
  const between = limits.take('d');
  limits.release('d');
  // One may be opened again, but now none is earned.
  const second = limits.take('d');
  expect(questions).toHaveLength(1);
  expect(await Promise.all([first, between, second])).toEqual([null, null, null]);
});

it('returns what a process has no use for any more', async () => {
  const { processes } = start(2, { concurrentFlows: 32 }, 16);
  const [first, second] = processes;
  for (let i = 0; i < 32; i++) expect(await first?.take('d')).toBeNull();
  expect(await second?.take('d')).toBe('flows at once');
  for (let i = 0; i < 32; i++) first?.release('d');
  first?.prune();
  first?.prune();
  for (let i = 0; i < 32; i++) expect(await second?.take('d')).toBeNull();
});

it('returns also what a device has no use for that has broken off more than it paid for', async () => {
  const { processes } = start(2, { concurrentFlows: 32 }, 16);
  const [first, second] = processes;
  for (let i = 0; i < 32; i++) expect(await first?.take('d')).toBeNull();
  for (let i = 0; i < 32; i++) first?.release('d');
  first?.note('d', 'reset', 100);
  first?.prune();
  first?.prune();
  for (let i = 0; i < 32; i++) expect(await second?.take('d')).toBeNull();
});

it('forgets a debt that is some minutes old, and no sooner', async () => {
  const { clock, first: limits } = start(1, { resetBurst: 10, resetsPerSecond: 1 });
  const soon = async () => {
    limits.prune();
    clock.nowMs += 60_000;
    limits.prune();
    return limits.take('d');
  };
  limits.note('d', 'reset', 500);
  expect(await soon()).toBe('flows broken off');
  limits.prune();
  for (let minutes = 0; minutes < 6; minutes++) {
    clock.nowMs += 60_000;
    limits.prune();
  }
  expect(await limits.take('d')).toBeNull();
});

it('refuses new flows of a device that breaks off too many, until it has calmed down', async () => {
  const { clock, first: limits } = start(1);
  for (let i = 0; i < defaultLimits.resetBurst; i++) limits.note('d', 'reset');
  expect(await limits.take('d')).toBe('flows broken off');
  clock.nowMs += 1_000;
  expect(await limits.take('d')).toBeNull();
});

it('counts wrong requests and names that are resolved apart from flows', async () => {
  const { first: limits } = start(1, { mistakeBurst: 3, nameBurst: 2 });
  for (let i = 0; i < 3; i++) limits.note('d', 'mistake');
  expect(await limits.take('d')).toBe('wrong requests');
  expect(await limits.spend('e', 'name')).toBeNull();
  expect(await limits.spend('e', 'name')).toBeNull();
  expect(await limits.spend('e', 'name')).toBe('names a second');
});

it('slows bytes down instead of refusing them, where an edge limits them', async () => {
  expect(start(1).first.pace('d')).toBeUndefined();
  const { clock, first: limits } = start(1, { bytesPerSecond: 1_000_000 });
  const pace = limits.pace('d');
  let waits = 0;
  for (let sent = 0; sent < 3_000_000; sent += 100_000) {
    if (pace?.spend(100_000)) continue;
    waits += 1;
    const free = new Promise<void>((resolve) => pace?.whenFree(resolve));
    clock.nowMs += 100;
    await free;
  }
  expect(waits).toBeGreaterThan(15);
  // A second's worth at once, the rest as it is earned.
  expect(clock.nowMs).toBeGreaterThanOrEqual(1_800);
});

it('forgets no byte that is spent while more are asked for', async () => {
  const answers: (() => void)[] = [];
  const bank = {
    grant: () => new Promise((resolve) => answers.push(() => resolve({ byte: 300_000 }))),
    giveBack: () => {},
  } as unknown as Bank;
  const limits = createLimits({ bank, bytesPerSecond: 1_000_000 });
  const pace = limits.pace('d');
  pace?.spend(100_000);
  pace?.whenFree(() => {});
  // The other direction of the same device goes on meanwhile.
  pace?.spend(400_000);
  answers.shift()?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(pace?.spend(0)).toBe(false);
});
