import { describe, expect, test } from 'vitest';
import type { Truth } from '../faults/fault.ts';
import { compare, worstOutcome } from './compare.ts';
import { expectationsOf } from './expect.ts';
import type { Expectation, Seen } from './scenario.ts';
import { verdictWith } from './verdict-fixture.ts';

const pair = { device: 'a1', application: 'crm' };
const blamed: Expectation = {
  ...pair,
  kind: 'blamed',
  segments: ['client-edge', 'gateway'],
  states: ['slow'],
  elements: ['ia1-ia2'],
};
const innocent: Expectation = { ...pair, kind: 'innocent' };
const tolerated: Expectation = { ...pair, kind: 'tolerated' };
const namesOf = (element: string) => (element === 'ia1-ia2' ? ['11.0.11.1', '11.0.12.1'] : []);

const ok = verdictWith({});
const slow = verdictWith({ state: 'slow', segment: 'client-edge', addedMs: 120 });
const wrong = verdictWith({ state: 'slow', segment: 'server', addedMs: 120 });
const failing = verdictWith({ state: 'failing', segment: 'client-edge' });
const thin = verdictWith({ state: 'inconclusive' });

const seen = (...verdicts: Seen['verdict'][]): Seen[] =>
  verdicts.map((verdict, index) => ({ seconds: index + 1, verdict }));

describe('a verdict held against what is really wrong', () => {
  test.each([
    ['the accepted segment is right', blamed, seen(ok, slow), 'right'],
    ['another accepted segment is right', blamed, seen({ ...slow, segment: 'gateway' }), 'right'],
    ['another segment is wrong', blamed, seen(slow, wrong), 'wrong segment'],
    [
      'a blame without a segment is wrong',
      blamed,
      seen({ ...slow, segment: null }),
      'wrong segment',
    ],
    ['failing for slow is the wrong state', blamed, seen(failing), 'wrong state'],
    ['ok is missed', blamed, seen(slow, ok), 'missed'],
    ['no verdict since the fault is missed', blamed, [], 'missed'],
    ['not enough evidence is inconclusive', blamed, seen(thin), 'inconclusive'],
    ['one blame of an innocent is a false alarm', innocent, seen(ok, slow, ok), 'false alarm'],
    ['an innocent may be inconclusive', innocent, seen(ok, thin), 'right'],
    ['an innocent without a verdict is not blamed', innocent, [], 'right'],
    ['of the tolerated anything may be said', tolerated, seen(wrong, failing), 'right'],
  ] as const)('%s', (_name, expectation, verdicts, outcome) => {
    expect(compare(expectation, verdicts, namesOf).outcome).toBe(outcome);
  });

  test('the time to the verdict is that of the first right one', () => {
    const { secondsToRight } = compare(blamed, seen(ok, wrong, slow, ok, slow), namesOf);
    expect(secondsToRight).toBe(3);
    expect(compare(blamed, seen(ok, wrong), namesOf).secondsToRight).toBeNull();
  });

  test('what was said before the last verdict is kept', () => {
    const { said } = compare(blamed, seen(wrong, slow), namesOf);
    expect(said).toEqual([
      { seconds: 1, state: 'slow', segment: 'server', addedMs: 120 },
      { seconds: 2, state: 'slow', segment: 'client-edge', addedMs: 120 },
    ]);
  });

  test('the verdict shown for a false alarm is the one that blamed', () => {
    expect(compare(innocent, seen(ok, slow, ok), namesOf).verdict).toBe(slow);
  });

  test('an element is named by a whole address, in the sentence or in evidence against it', () => {
    const named = (change: Partial<typeof slow>) =>
      compare(blamed, seen({ ...slow, ...change }), namesOf).elementNamed;
    expect(named({ sentence: 'slow from 11.0.12.1 on.' })).toBe(true);
    expect(named({ sentence: 'slow from 11.0.12.10 on' })).toBe(false);
    expect(named({ sentence: 'slow from 111.0.12.1 on' })).toBe(false);
    const line = { segment: null, value: null, baseline: null, unit: '' };
    const text = 'late from 11.0.11.1, ia1, on';
    expect(named({ evidence: [{ ...line, finding: 'against', text }] })).toBe(true);
    expect(named({ evidence: [{ ...line, finding: 'cleared', text }] })).toBe(false);
    expect(named({ state: 'ok', segment: null, sentence: 'fine from 11.0.12.1 on' })).toBe(false);
  });

  test('what was wrong about a sufferer weighs more than a false alarm', () => {
    const outcomes = [
      compare(innocent, seen(slow), namesOf),
      compare(blamed, seen(ok), namesOf),
      compare(blamed, seen(slow), namesOf),
    ];
    expect(worstOutcome(outcomes)).toBe('missed');
    expect(worstOutcome(outcomes.slice(2))).toBe('right');
    expect(worstOutcome([])).toBe('right');
  });
});

describe('what must be said when several things are wrong', () => {
  const truth = (change: Partial<Extract<Truth, { blame: 'segment' }>>): Truth => ({
    blame: 'segment',
    segments: ['server'],
    element: 's1',
    states: ['slow'],
    devices: ['a1', 'a2'],
    applications: ['crm'],
    ...change,
  });
  const pairs = ['a1', 'b1'].flatMap((device) =>
    ['crm', 'docs'].map((application) => ({ device, application })),
  );

  test('only who suffers is to be named', () => {
    const kinds = expectationsOf([truth({})], pairs).map(({ kind }) => kind);
    expect(kinds).toEqual(['blamed', 'innocent', 'innocent', 'innocent']);
  });

  test('who suffers from two may be told either', () => {
    const [first] = expectationsOf(
      [truth({}), truth({ segments: ['gateway'], element: 'apa-gwa', states: ['failing'] })],
      pairs,
    );
    expect(first).toMatchObject({
      segments: ['server', 'gateway'],
      states: ['slow', 'failing'],
      elements: ['s1', 'apa-gwa'],
    });
  });

  test('one fault may have to be told otherwise of some, and may touch others too little', () => {
    const [a1crm, a1docs, b1crm, b1docs] = expectationsOf(
      [
        truth({
          devices: ['a1'],
          also: [{ segments: ['page'], states: ['slow'], devices: ['a1'], applications: ['docs'] }],
          tolerated: [{ devices: ['b1'], applications: ['crm'] }],
        }),
      ],
      pairs,
    );
    expect(a1crm).toMatchObject({ kind: 'blamed', segments: ['server'] });
    expect(a1docs).toMatchObject({ kind: 'blamed', segments: ['page'], elements: ['s1'] });
    expect(b1crm).toMatchObject({ kind: 'tolerated' });
    expect(b1docs).toMatchObject({ kind: 'innocent' });
  });

  test('a decoy and a healthy network blame nobody', () => {
    for (const truths of [[], [{ blame: 'nobody' }]] as Truth[][]) {
      expect(expectationsOf(truths, pairs).every(({ kind }) => kind === 'innocent')).toBe(true);
    }
  });

  test('what a device has by itself is blamed on no application', () => {
    const expected = expectationsOf([{ blame: 'third-state', devices: ['a1'] }], pairs);
    expect(expected.map(({ kind }) => kind)).toEqual([
      'third-state',
      'third-state',
      'innocent',
      'innocent',
    ]);
    const [itself = innocent] = expected;
    expect(compare(itself, seen(ok, failing), namesOf).outcome).toBe('false alarm');
    expect(compare(itself, seen(thin), namesOf).outcome).toBe('right');
  });
});
