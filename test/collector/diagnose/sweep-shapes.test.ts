import { describe, expect, it } from 'vitest';
import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { HttpResult } from '#contract/result.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { calm, createNoise, httpRun, minuteMs, pageRun, startMs } from './recording.ts';
import { lastOf, many, recordsOf, type Story, tell, verdictsOf } from './story.ts';

/** Shapes of the lab's sweep that had named the wrong part, as small recordings. */

const ofPayroll = (record: TelemetryRecord): record is HttpResult =>
  record.kind === 'result' && record.type === 'http' && record.appId === 'payroll';

/** The records of a story with its runs of the application under test changed, by their number. */
const changed = (story: Story, change: (run: HttpResult, at: number) => HttpResult) => {
  let at = -1;
  return recordsOf(story).map((record) => {
    if (!ofPayroll(record)) return record;
    at += 1;
    return change(record, at);
  });
};

const failed = (run: HttpResult, type: FailureType): HttpResult => ({
  ...run,
  availability: 0,
  failure: { type, ...failureFacts[type], phase: 'wait', message: 'no answer' },
});

describe('an answer that has grown', () => {
  it('is a transfer: the rounds that only its size needs are not the way’s', () => {
    const world = { bodyBytes: 1_000_000, transferMs: 6 * calm.onwardMs + 60 };
    const verdict = lastOf(tell({ minutes: [...many(10), ...many(2, { world })] }));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'transfer' });
    expect(verdict.addedMs).toBeGreaterThan(105);
    expect(verdict.ledger?.parts.find((part) => part.segment === 'transfer')?.how).toContain(
      'rounds more than usual',
    );
  });

  it('that was always that long leaves a slower way to the way', () => {
    const heavy = { bodyBytes: 1_000_000, transferMs: 6 * calm.onwardMs + 60 };
    const onwardMs = calm.onwardMs + 30;
    const slow = { bodyBytes: 1_000_000, transferMs: 6 * onwardMs + 60, onwardMs };
    const verdict = lastOf(
      tell({ minutes: [...many(10, { world: heavy }), ...many(2, { world: slow })] }),
    );
    expect(verdict).toMatchObject({ state: 'slow', segment: 'edge-origin' });
  });
});

describe('a device that stalls once in each run', () => {
  const story = { minutes: [...many(10), ...many(2, { world: { serverMs: calm.serverMs + 42 } })] };
  const withStalls = (longestDelayMs: number) =>
    changed(story, (run, at) =>
      at < 10 ? run : { ...run, self: { ...run.self, longestDelayMs } },
    );

  it('is to blame for what its stall explains', () => {
    expect(lastOf(verdictsOf(withStalls(44)))).toMatchObject({ state: 'slow', segment: 'device' });
  });

  it('is not where it did not stall', () => {
    expect(lastOf(verdictsOf(withStalls(4)))).toMatchObject({ state: 'slow', segment: 'server' });
  });
});

describe('an edge whose event loop is late', () => {
  it('is named, not a queue in the tunnel that its lateness feigns', () => {
    const world = { edgeLagMs: 25, queueMs: 24 };
    expect(lastOf(tell({ minutes: [...many(10), ...many(2, { world })] }))).toMatchObject({
      state: 'slow',
      segment: 'in-edge',
    });
  });
});

describe('a resolver that leaves questions unanswered', () => {
  const world = { dnsMs: 1_050 };
  const lost = many(1, { world });

  it('is named though every other look-up is well', () => {
    const verdicts = tell({ minutes: [...many(8), ...lost, ...many(1), ...lost] });
    expect(verdicts.at(-2)?.state).toBe('ok');
    expect(lastOf(verdicts)).toMatchObject({ state: 'slow', segment: 'dns' });
  });

  it('is named when look-ups fail in between', () => {
    const run = { failure: { type: 'edge.dns_failed', message: 'no answer' } } as const;
    const verdict = lastOf(tell({ minutes: [...many(8), { run }, ...many(1), { run }] }));
    expect(verdict).toMatchObject({ state: 'failing', segment: 'dns' });
    expect(verdict.sentence).toContain('does not always work');
  });

  it('is well again after a row of good look-ups', () => {
    const verdicts = tell({ minutes: [...many(8), ...lost, ...many(1), ...lost, ...many(3)] });
    expect(lastOf(verdicts).state).toBe('ok');
  });

  it('is not blamed for one lost question', () => {
    expect(lastOf(tell({ minutes: [...many(8), ...lost, ...many(1)] })).state).toBe('ok');
  });
});

describe('two applications that hang after connecting', () => {
  const minutes = 12;
  const noise = createNoise(7);
  const beside = (appId: string, hangs: boolean): TelemetryRecord[] =>
    Array.from({ length: minutes }, (_, at) => {
      const run = httpRun(startMs + at * minuteMs + 5_000, calm, noise, { appId });
      return hangs && at >= minutes - 3 ? failed(run, 'http.timed_out') : run;
    });
  const payroll = changed({ minutes: many(minutes) }, (run, at) =>
    at < minutes - 3 ? run : failed(run, 'http.timed_out'),
  );
  const tellWith = (others: Record<string, boolean>) => {
    const records = [
      ...payroll,
      ...Object.entries(others).flatMap(([app, hangs]) => beside(app, hangs)),
    ];
    return lastOf(verdictsOf(records.sort((a, b) => when(a) - when(b))));
  };
  const when = (record: object): number =>
    (record as { startedAt?: number }).startedAt ?? (record as { at: number }).at;

  it('while a third answers point at the path from the edge', () => {
    const verdict = tellWith({ crm: true, wiki: false });
    expect(verdict).toMatchObject({ state: 'failing', segment: 'edge-origin' });
    expect(verdict.sentence).toContain('nothing larger, for crm neither');
    expect(verdict.action).toContain('path MTU');
  });

  it('one alone is its server', () => {
    expect(tellWith({ crm: false, wiki: false })).toMatchObject({ segment: 'server' });
  });
});

describe('a script that holds up a page', () => {
  it('is named by its host, though the page’s main content is there as usual', () => {
    const loads = Array.from({ length: 12 }, (_, at) => {
      const run = pageRun(startMs + at * minuteMs + 30_000, 600, at < 10 ? 120 : 1_620);
      return at < 10 ? run : { ...run, body: { ...run.body, loadMs: 2_100 } };
    });
    const records = [...recordsOf({ minutes: many(12) }), ...loads].sort(
      (a, b) => when(a) - when(b),
    );
    const verdict = lastOf(verdictsOf(records));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'page' });
    expect(verdict.sentence).toContain('it waits for cdn.example');
  });
  const when = (record: object): number =>
    (record as { startedAt?: number }).startedAt ?? (record as { at: number }).at;
});
