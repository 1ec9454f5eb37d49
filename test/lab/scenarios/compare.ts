import type { Verdict } from '#contract/verdict.ts';
import type { Expectation, Outcome, PairOutcome, Seen } from './scenario.ts';

/** Which strings name a node or link: addresses, host names, what people call it. */
export type NamesOf = (element: string, about: Verdict) => readonly string[];

/** Holds what was said of one pair, oldest first, against what had to be said. */
export const compare = (
  expectation: Expectation,
  seen: readonly Seen[],
  namesOf: NamesOf,
): PairOutcome => {
  const { device, application } = expectation;
  const blaming = seen.filter(({ verdict }) => isBlaming(verdict));
  const said = seen.map(({ seconds, verdict: { state, segment, addedMs } }) => ({
    seconds,
    state,
    segment,
    addedMs,
  }));
  const common = { device, application, expectation, said };
  if (expectation.kind !== 'blamed') {
    const alarm = expectation.kind === 'tolerated' ? undefined : blaming[0];
    return {
      ...common,
      outcome: alarm ? 'false alarm' : 'right',
      verdict: alarm?.verdict ?? seen.at(-1)?.verdict ?? null,
      secondsToRight: null,
      elementNamed: null,
    };
  }
  const verdict = seen.at(-1)?.verdict ?? null;
  const outcome = verdict === null ? 'missed' : outcomeOf(expectation, verdict);
  const right = seen.find((each) => outcomeOf(expectation, each.verdict) === 'right');
  return {
    ...common,
    outcome,
    verdict,
    secondsToRight: right?.seconds ?? null,
    elementNamed: verdict !== null && namesElement(verdict, expectation.elements, namesOf),
  };
};

type Blamed = Extract<Expectation, { kind: 'blamed' }>;

export const outcomeOf = (expected: Blamed, verdict: Verdict): Outcome => {
  if (verdict.state === 'ok') return 'missed';
  if (verdict.state === 'inconclusive') return 'inconclusive';
  if (verdict.segment === null || !expected.segments.includes(verdict.segment)) {
    return 'wrong segment';
  }
  return expected.states.includes(verdict.state) ? 'right' : 'wrong state';
};

const isBlaming = ({ state }: Verdict): boolean => state === 'slow' || state === 'failing';

const namesElement = (verdict: Verdict, elements: readonly string[], namesOf: NamesOf): boolean => {
  if (!isBlaming(verdict)) return false;
  const against = verdict.evidence.filter(({ finding }) => finding === 'against');
  const text = [verdict.sentence, ...against.map((line) => line.text)].join('\n');
  return elements.some((element) =>
    namesOf(element, verdict).some((name) => holdsWord(text, name)),
  );
};

/** As a word of its own: 11.0.3.1 is not named by 11.0.3.10. */
const holdsWord = (text: string, word: string): boolean => {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.:-])${escaped}(?![\\w:-]|\\.\\w)`, 'i').test(text);
};

/** Worst first: what was wrong about the sufferers weighs more than an alarm about a bystander. */
const badness = [
  'wrong segment',
  'missed',
  'wrong state',
  'inconclusive',
  'false alarm',
  'right',
] as const satisfies readonly Outcome[];

const concerned = ['blamed', 'third-state', 'innocent', 'tolerated'] as const;

export const byBadness = (a: PairOutcome, b: PairOutcome): number =>
  concerned.indexOf(a.expectation.kind) - concerned.indexOf(b.expectation.kind) ||
  badness.indexOf(a.outcome) - badness.indexOf(b.outcome);

/** One word for a scenario: the worst that happened to any pair. */
export const worstOutcome = (pairs: readonly PairOutcome[]): Outcome =>
  badness.find((outcome) => pairs.some((pair) => pair.outcome === outcome)) ?? 'right';
