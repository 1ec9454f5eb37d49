import { describe, expect, it } from 'vitest';
import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { minuteMs, pageRun, type RunOptions, startMs } from './recording.ts';
import { lastOf, many, recordsOf, tell, verdictsOf } from './story.ts';

const stepMessage = 'step 2 “open the basket” (#basket) – nothing on the page fits the selector';

const failedPage = (minute: number, type: FailureType, message: string): TelemetryRecord => ({
  ...pageRun(startMs + minute * minuteMs + 30_000, 600, 120),
  availability: 0,
  failure: { type, ...failureFacts[type], phase: 'render', message },
});
const goodPage = (minute: number) => pageRun(startMs + minute * minuteMs + 30_000, 600, 120);

const beside = (minutes: number, pages: readonly TelemetryRecord[]): TelemetryRecord[] =>
  [...recordsOf({ minutes: many(minutes) }), ...pages].sort((a, b) => when(a) - when(b));
const when = (record: object): number =>
  (record as { startedAt?: number; at?: number }).startedAt ?? (record as { at: number }).at;

const sinceOf = (sentence: string): string | undefined => /since (\d\d:\d\d)/.exec(sentence)?.[1];
const clockOf = (ms: number): string => new Date(ms).toISOString().slice(11, 16);

describe('a page that fails', () => {
  it('opens where only a step failed, and the sentence says which', () => {
    const pages = [0, 1].map((minute) => failedPage(minute, 'browser.step_failed', stepMessage));
    const verdict = lastOf(verdictsOf(beside(6, pages)));
    expect(verdict).toMatchObject({ state: 'failing', segment: 'page' });
    expect(verdict.sentence).toContain(
      'the page opens, but step 2 “open the basket” failed: nothing on the page fits the selector.',
    );
    expect(verdict.sentence).not.toContain('does not load');
    expect(verdict.action).toContain('step');
  });

  it('has the ledger of the requests beside it, which a page load does not have', () => {
    const pages = [0, 1].map((minute) => failedPage(minute, 'browser.step_failed', stepMessage));
    const { ledger, totalMs } = lastOf(verdictsOf(beside(8, pages)));
    expect(totalMs).toBeNull();
    expect(ledger).toEqual(lastOf(tell({ minutes: many(8) })).ledger);
    expect(ledger?.totalMs).toBeGreaterThan(0);
    // Without any request there is none.
    expect(lastOf(verdictsOf(pages)).ledger).toBeNull();
  });

  it('is late where its time was over, which is not the same as not to load', () => {
    const pages = [0, 1].map((minute) =>
      failedPage(minute, 'browser.timed_out', 'the run’s time was over'),
    );
    const { sentence } = lastOf(verdictsOf(beside(6, pages)));
    expect(sentence).toContain('the page does not finish loading: the run’s time was over.');
  });

  it('has failed since the first of an unbroken row, however long it goes on', () => {
    const pages = Array.from({ length: 12 }, (_, minute) =>
      minute < 4 ? goodPage(minute) : failedPage(minute, 'browser.step_failed', stepMessage),
    );
    const failing = verdictsOf(beside(12, pages)).filter(({ state }) => state === 'failing');
    expect(failing.length).toBeGreaterThan(8);
    const since = new Set(failing.map(({ sentence }) => sinceOf(sentence)));
    expect([...since]).toEqual([clockOf(startMs + 4 * minuteMs + 30_000)]);
  });

  it('since a good run is a new row', () => {
    const isGood = (minute: number) => minute < 2 || minute === 5;
    const pages = Array.from({ length: 9 }, (_, minute) =>
      isGood(minute) ? goodPage(minute) : failedPage(minute, 'browser.step_failed', stepMessage),
    );
    const { sentence } = lastOf(verdictsOf(beside(9, pages)));
    expect(sinceOf(sentence)).toBe(clockOf(startMs + 6 * minuteMs + 30_000));
  });
});

describe('since', () => {
  const refused: RunOptions = { failure: { type: 'tcp.refused', message: 'nothing listens' } };
  const cases = [
    ['failing', { run: refused }],
    ['slow', { world: { serverMs: 900 } }],
  ] as const;

  it.each(cases)('of requests that are %s stays at the first run of the row', (state, minute) => {
    const all = tell({ minutes: [...many(8), ...many(20, minute)] });
    const told = all.filter((verdict) => verdict.state === state);
    expect(told.length).toBeGreaterThan(15);
    const since = new Set(told.map(({ sentence }) => sinceOf(sentence)));
    expect([...since]).toEqual([clockOf(startMs + 8 * minuteMs + 20_000)]);
  });

  it('does not move with the window: what is older than it is said so', () => {
    const all = tell({ minutes: many(190, { run: refused }) });
    expect(lastOf(all.slice(0, 60)).sentence).toContain(`since ${clockOf(startMs + 20_000)} UTC: `);
    const late = new Set(all.slice(-60).map(({ sentence }) => sentence));
    expect([...late]).toEqual([expect.stringContaining('for about two hours or longer: ')]);
  });
});

describe('the sentence about a failure', () => {
  it.each(Object.keys(failureFacts) as FailureType[])('names no type: %s', (type) => {
    const run: RunOptions = { failure: { type, message: 'as seen' } };
    const { sentence, state } = lastOf(tell({ minutes: [...many(6), ...many(2, { run })] }));
    if (state === 'failing') expect(sentence).not.toContain(type);
  });
});
