import { effectsOf, type Reach, type Truth } from '../faults/fault.ts';
import type { Expectation, Pair } from './scenario.ts';

/** What must be said of every pair when these are the things that are wrong. */
export const expectationsOf = (truths: readonly Truth[], pairs: readonly Pair[]): Expectation[] =>
  pairs.map((pair) => expectationOf(truths, pair));

const expectationOf = (truths: readonly Truth[], pair: Pair): Expectation => {
  const suffered = truths.flatMap((truth) =>
    effectsOf(truth)
      .filter((effect) => reaches(effect, pair))
      .map((effect) => ({ ...effect, elements: elementsOf(truth) })),
  );
  if (suffered.length > 0) {
    return {
      ...pair,
      kind: 'blamed',
      segments: unique(suffered.flatMap(({ segments }) => segments)),
      states: unique(suffered.flatMap(({ states }) => states)),
      elements: unique(suffered.flatMap(({ elements }) => elements)),
    };
  }
  const isTolerated = truths.some(
    (truth) =>
      truth.blame === 'segment' && (truth.tolerated ?? []).some((reach) => reaches(reach, pair)),
  );
  if (isTolerated) return { ...pair, kind: 'tolerated' };
  const isItself = truths.some(
    (truth) => truth.blame === 'third-state' && truth.devices.includes(pair.device),
  );
  return { ...pair, kind: isItself ? 'third-state' : 'innocent' };
};

const reaches = ({ devices, applications }: Reach, { device, application }: Pair): boolean =>
  devices.includes(device) && applications.includes(application);

const elementsOf = (truth: Truth): readonly string[] =>
  truth.blame === 'segment' ? [truth.element, ...(truth.alsoElements ?? [])] : [];

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
