import { expect, test } from 'vitest';
import { NotCalm, waitForCalm } from './calm.ts';
import { verdictWith } from './verdict-fixture.ts';
import { createWatch } from './watch.ts';

const setAt = 1_800_000_000_000;
const pair = { device: 'a1', application: 'crm' };
const key = 'a1/crm';

test('each verdict about the time since the fault is kept once', async () => {
  const early = verdictWith({ at: setAt - 500 });
  const late = verdictWith({ at: setAt + 1_500, state: 'slow', segment: 'server' });
  let nowMs = setAt + 1_000;
  let newest = early;
  const read = async () => new Map([[key, newest]]);
  const watch = createWatch({ read, before: new Map(), setAt, now: () => nowMs });
  await watch.look();
  expect(watch.of(pair)).toEqual([]);
  newest = late;
  nowMs = setAt + 2_500;
  await watch.look();
  await watch.look();
  expect(watch.of(pair)).toEqual([{ seconds: 2.5, verdict: late }]);
});

test('what is said of the time after clearing is no evidence of the fault', async () => {
  const clearedAt = setAt + 10_000;
  const during = verdictWith({ at: clearedAt - 1 });
  const after = verdictWith({ at: clearedAt + 1_000 });
  const ofSetClock = verdictWith({ at: clearedAt + 3_600_000 });
  let newest = during;
  const read = async () => new Map([[key, newest]]);
  const watch = createWatch({ read, before: new Map(), setAt, now: () => clearedAt + 2_000 });
  for (newest of [during, after, ofSetClock]) await watch.look();
  expect(watch.until(clearedAt, pair).map(({ verdict }) => verdict)).toEqual([during, ofSetClock]);
});

test('of devices that were cut off incidents tell the time that was over', async () => {
  const clearedAt = setAt + 10_000;
  const now = verdictWith({ at: clearedAt + 1_000 });
  const read = async () => new Map([[key, now]]);
  const watch = createWatch({ read, before: new Map(), setAt, now: () => clearedAt + 2_000 });
  await watch.look();
  const past = verdictWith({ at: clearedAt - 2_000, state: 'failing', segment: 'client-edge' });
  const before = verdictWith({ at: setAt - 2_000, state: 'failing', segment: 'client-edge' });
  const told = [past, before].map((verdict) => ({ ...pair, verdict }));
  watch.hearPast(told, ['b1']);
  expect(watch.until(clearedAt, pair)).toEqual([]);
  watch.hearPast(told, ['a1']);
  expect(watch.until(clearedAt, pair).map(({ verdict }) => verdict)).toEqual([past]);
});

test.each([
  ['there is none', undefined],
  [
    'it is slow',
    verdictWith({ at: setAt, state: 'slow', segment: 'dns', sentence: 'slow by dns' }),
  ],
  ['it is old', verdictWith({ at: setAt - 60_000 })],
  ['it is compared with others', verdictWith({ at: setAt, baselineFrom: 'other-applications' })],
  ['it is about another edge', verdictWith({ at: setAt, edgeId: 'e2' })],
])('a pair is not calm while of its verdict %s', async (_why, verdict) => {
  const calm = waitForCalm({
    read: async () => new Map(verdict ? [[key, verdict]] : []),
    pairs: [pair],
    since: setAt - 1_000,
    homeEdge: 'e1',
    bringHome: async () => {},
    timeoutMs: 0,
    now: () => setAt,
  });
  await expect(calm).rejects.toThrow(NotCalm);
  await expect(calm).rejects.toThrow(/a1\/crm: /);
});

test('calm is some seconds of fresh ok verdicts', async () => {
  const startedMs = performance.now();
  const ok = verdictWith({ at: setAt });
  const verdicts = await waitForCalm({
    read: async () => new Map([[key, ok]]),
    pairs: [pair],
    since: setAt,
    homeEdge: 'e1',
    bringHome: async () => {},
    timeoutMs: 20_000,
    now: () => setAt,
  });
  expect(verdicts.get(key)).toBe(ok);
  expect(performance.now() - startedMs).toBeGreaterThan(2_900);
});

test('a device that is well on another edge is brought home, once', async () => {
  const verdicts = ['e2', 'e2', 'e1'].map((edgeId) => verdictWith({ at: setAt, edgeId }));
  let looks = 0;
  let asked = 0;
  await waitForCalm({
    read: async () => new Map([[key, verdicts[Math.min(looks++, 2)] ?? verdictWith({})]]),
    pairs: [pair],
    since: setAt,
    homeEdge: 'e1',
    bringHome: async () => {
      asked += 1;
    },
    timeoutMs: 20_000,
    now: () => setAt,
  });
  expect(asked).toBe(1);
});
