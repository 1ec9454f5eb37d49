import { describe, expect, it } from 'vitest';
import {
  type Candidate,
  type ChoiceState,
  chooseEdge,
  gainOf,
  noChoice,
} from '#agent/tunnel/edge-choice.ts';

const up = (id: string, rttMs: number | null): Candidate => ({ id, isUp: true, rttMs });
const down = (id: string): Candidate => ({ id, isUp: false, rttMs: null });
const minute = 60_000;

const run = (state: ChoiceState, rounds: number, candidates: Candidate[], fromMs: number) => {
  let now = state;
  let reason: string | null = null;
  for (let i = 0; i < rounds; i++) {
    const choice = chooseEdge(now, candidates, '', fromMs + i * 5_000);
    now = choice.state;
    reason ??= choice.reason;
  }
  return { state: now, reason };
};

describe('the edge', () => {
  const onA = chooseEdge(noChoice, [up('a', 20), up('b', 40), down('c')], '', 0).state;

  it('is the fastest that is up', () => {
    expect(onA.edgeId).toBe('a');
    expect(chooseEdge(noChoice, [down('a'), up('b', 40)], '', 0).state.edgeId).toBe('b');
    expect(chooseEdge(noChoice, [down('a')], '', 0).state.edgeId).toBeNull();
  });

  it('does not rest after a first choice made before every edge was measured', () => {
    const hasty = chooseEdge(noChoice, [down('a'), up('b', 40)], '', 0).state;
    const measured = [up('a', 20), up('b', 40)];
    expect(run(hasty, 2, measured, 1_000).state.edgeId).toBe('b');
    const { state } = run(hasty, 3, measured, 1_000);
    expect(state.edgeId).toBe('a');
    expect(run(state, 10, [up('a', 60), up('b', 40)], minute).state.edgeId).toBe('a');
  });

  it('does not rest after a first choice that its first pings misled, once', () => {
    const misled = chooseEdge(noChoice, [up('a', 90), up('b', 40)], '', 0).state;
    expect(run(misled, 2, [up('a', 20), up('b', 40)], 1_000).state.edgeId).toBe('b');
    const { state } = run(misled, 3, [up('a', 20), up('b', 40)], 1_000);
    expect(state.edgeId).toBe('a');
    expect(run(state, 10, [up('a', 60), up('b', 40)], minute).state.edgeId).toBe('a');
  });

  it('does not rest either when no edge was up in the rounds before the first choice', () => {
    const before = chooseEdge(noChoice, [down('a'), down('b')], '', 0).state;
    const hasty = chooseEdge(before, [down('a'), up('b', 40)], '', 0).state;
    expect(run(hasty, 3, [up('a', 20), up('b', 40)], 1_000).state.edgeId).toBe('a');
  });

  it('rests after a loss, although the lost edge is not measured', () => {
    const lost = chooseEdge(onA, [down('a'), up('b', 40)], '', minute).state;
    expect(run(lost, 10, [up('a', 20), up('b', 40)], minute + 1_000).state.edgeId).toBe('b');
  });

  it('changes when another has been clearly better for three rounds and five minutes', () => {
    const better = [up('a', 60), up('b', 40)];
    expect(run(onA, 10, better, minute).state.edgeId).toBe('a');
    expect(run(onA, 2, better, 6 * minute).state.edgeId).toBe('a');
    expect(run(onA, 3, better, 6 * minute).state.edgeId).toBe('b');
    expect(run(onA, 3, better, 6 * minute).reason).toMatch(/faster: 40.0 ms against 60.0 ms/);
  });

  it.each([
    ['9 ms better', 20, 11],
    ['15 % better', 200, 170],
    ['not measured', 200, null],
  ])('stays while the other is only %s', (_, current, other) => {
    const candidates = [up('a', current), up('b', other)];
    expect(run(onA, 20, candidates, 10 * minute).state.edgeId).toBe('a');
  });

  it('stays when the better rounds are not in a row', () => {
    const better = [up('a', 60), up('b', 40)];
    const twice = run(onA, 2, better, 6 * minute).state;
    const interrupted = run(twice, 1, [up('a', 20), up('b', 40)], 7 * minute).state;
    expect(run(interrupted, 2, better, 8 * minute).state.edgeId).toBe('a');
  });

  it('changes at once when the chosen one is lost', () => {
    const choice = chooseEdge(onA, [down('a'), up('b', 40)], '', 1);
    expect(choice.state.edgeId).toBe('b');
    expect(choice.reason).toMatch(/edge a lost/);
  });

  it('is the pinned one while that is up, whatever the round trips', () => {
    expect(chooseEdge(onA, [up('a', 20), up('b', 400)], 'b', 1).state.edgeId).toBe('b');
    expect(chooseEdge(onA, [up('a', 20), down('b')], 'b', 1).state.edgeId).toBe('a');
  });

  describe('that loses pings', () => {
    const losing = (id: string, rttMs: number, lostCount: number): Candidate => ({
      ...up(id, rttMs),
      lostCount,
      sentCount: 20,
    });

    it('is left at once for one that loses none, though it is slower', () => {
      const choice = chooseEdge(onA, [losing('a', 20, 5), up('b', 40)], '', minute, false);
      expect(choice.state.edgeId).toBe('b');
      expect(choice.reason).toBe('loss: 5 of 20 pings on a, 0 of 0 pings on b');
    });

    it.each([
      ['it loses but a few', losing('a', 20, 4), up('b', 40)],
      ['the other loses too', losing('a', 20, 9), losing('b', 40, 2)],
    ])('is kept while %s', (_, a, b) => {
      expect(run(onA, 10, [a, b], minute).state.edgeId).toBe('a');
    });

    it('is not gone back to before it loses none, nor the other left within half a minute', () => {
      const left = chooseEdge(onA, [losing('a', 20, 5), up('b', 40)], '', minute).state;
      expect(run(left, 30, [losing('a', 20, 2), up('b', 40)], 7 * minute).state.edgeId).toBe('b');
      expect(run(left, 3, [losing('a', 20, 1), up('b', 40)], 7 * minute).state.edgeId).toBe('a');
      const both = [up('a', 20), losing('b', 40, 5)];
      expect(chooseEdge(left, both, '', minute + 20_000).state.edgeId).toBe('b');
      expect(chooseEdge(left, both, '', minute + 31_000).state.edgeId).toBe('a');
    });
  });

  it('says what another would gain, also while it is pinned', () => {
    const candidates = [up('a', 60), up('b', 40), up('c', 55)];
    expect(gainOf(candidates, 'a')).toEqual({ edgeId: 'b', gainMs: 20 });
    expect(gainOf(candidates, 'b')).toBeNull();
    expect(gainOf([up('a', 45), up('b', 40)], 'a')).toBeNull();
  });

  it('counts rounds by the clock, not by how often it is asked', () => {
    const better = [up('a', 60), up('b', 40)];
    let { state } = chooseEdge(onA, better, '', 6 * minute);
    for (let i = 0; i < 10; i++) state = chooseEdge(state, better, '', 6 * minute, false).state;
    expect(state).toMatchObject({ edgeId: 'a', better: { edgeId: 'b', roundCount: 1 } });
  });
});
