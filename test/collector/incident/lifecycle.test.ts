import { describe, expect, it } from 'vitest';
import { type Incident, nextIncident } from '#collector/incident/lifecycle.ts';
import { check } from '#contract/check.ts';
import { Uuid } from '#contract/scalar.ts';
import type { Verdict } from '#contract/verdict.ts';
import { minuteMs, startMs } from '#test/collector/diagnose/recording.ts';
import { many, tell } from '#test/collector/diagnose/story.ts';

const [template] = tell({ minutes: many(8) }).slice(-1) as [Verdict];
const verdict = (
  minute: number,
  state: Verdict['state'],
  more: Partial<Verdict> = {},
): Verdict => ({
  ...template,
  at: startMs + minute * minuteMs,
  state,
  segment: state === 'slow' ? 'server' : null,
  confidence: 0.9,
  addedMs: state === 'slow' ? 650 : null,
  ...more,
});

const play = (verdicts: readonly Verdict[], from?: Incident) => {
  let incident = from;
  const changes = verdicts.map((each) => {
    const step = nextIncident(incident, each);
    incident = step.incident;
    return step.change;
  });
  return { incident, changes };
};

describe('an incident', () => {
  it('opens within two probe intervals of the fault’s start and closes after three good runs', () => {
    const verdicts = tell({
      minutes: [...many(8), ...many(4, { world: { serverMs: 700 } }), ...many(5)],
    });
    const { incident, changes } = play(verdicts);
    expect(changes.indexOf('opened')).toBe(9);
    expect(changes.indexOf('closed')).toBe(14);
    expect(changes.filter((change) => change !== 'none')).toEqual(['opened', 'closed']);
    expect(incident).toMatchObject({ state: 'closed', segment: 'server' });
    expect(incident?.closedAt).toBe(verdicts[14]?.at);
  });

  it('opens at once on a sure verdict, which rests on two slow runs itself', () => {
    const { incident } = play([verdict(1, 'slow')]);
    expect(incident).toMatchObject({ state: 'open', openedAt: startMs + minuteMs, streak: 0 });
  });

  it.each([
    ['not sure', { confidence: 0.3 }],
    ['too small to be felt', { addedMs: 60 }],
  ])('has to last for three verdicts when the first is %s', (_, more) => {
    const { incident, changes } = play([
      verdict(1, 'slow', more),
      verdict(2, 'slow', more),
      verdict(3, 'slow', { ...more, segment: 'dns' }),
    ]);
    expect(changes).toEqual(['pending', 'none', 'opened']);
    expect(incident).toMatchObject({ segment: 'dns', firstSlowAt: startMs + minuteMs });
  });

  it('that was pending and recovers is removed', () => {
    const { incident, changes } = play([verdict(1, 'slow', { confidence: 0.3 }), verdict(2, 'ok')]);
    expect(changes).toEqual(['pending', 'removed']);
    expect(incident).toBeUndefined();
  });

  it('opens on failing', () => {
    expect(play([verdict(1, 'failing', { confidence: 0.4 })]).changes).toEqual(['opened']);
  });

  it('neither opens nor closes on inconclusive, and a row of ok goes on over it', () => {
    const { changes } = play([
      verdict(1, 'inconclusive'),
      verdict(2, 'slow'),
      verdict(3, 'ok'),
      verdict(4, 'inconclusive'),
      verdict(5, 'ok'),
      verdict(6, 'ok'),
    ]);
    expect(changes).toEqual(['none', 'opened', 'none', 'none', 'none', 'closed']);
  });

  it('stays open when it is slow again before the third ok', () => {
    const states = ['slow', 'ok', 'ok', 'slow', 'ok', 'ok'] as const;
    const { incident } = play(states.map((state, minute) => verdict(minute, state)));
    expect(incident).toMatchObject({ state: 'open', streak: 2 });
  });

  it('is not changed by a late or repeated verdict', () => {
    const open = play([verdict(5, 'slow')]).incident;
    for (const late of [verdict(4, 'ok'), verdict(5, 'slow'), verdict(5, 'ok')]) {
      expect(nextIncident(open, late)).toEqual({ incident: open, change: 'none' });
    }
    const closed = play([verdict(6, 'ok'), verdict(7, 'ok'), verdict(8, 'ok')], open).incident;
    expect(closed?.state).toBe('closed');
    expect(nextIncident(closed, verdict(7, 'slow'))).toEqual({ incident: closed, change: 'none' });
  });

  it('after a closed one is a new one', () => {
    const states = ['slow', 'ok', 'ok', 'ok'] as const;
    const first = play(states.map((state, minute) => verdict(minute, state))).incident;
    const second = nextIncident(first, verdict(9, 'slow'));
    expect(second.change).toBe('opened');
    expect(second.incident?.id).not.toBe(first?.id);
  });

  it('gets the same id from the same verdict, a UUID', () => {
    const one = play([verdict(1, 'slow')]).incident;
    expect(play([verdict(1, 'slow')]).incident?.id).toBe(one?.id);
    expect(check(Uuid, one?.id)).toMatchObject({ ok: true });
  });
});
