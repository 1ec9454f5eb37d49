import type { Accepted } from '../accepted.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { type FamilyWords, familyWords, type Told } from './family-words.ts';

/** A cause as one device and application meet it: its element on their own path. */
export const told = (
  blame: Accepted,
  { device, app }: Pick<PairInView, 'device' | 'app'>,
  ms: number,
  { names }: Pick<BinScene, 'names'>,
): Told => {
  const element = names.inElement(blame.elementFor(device.index, app.appId));
  return {
    element,
    name: element.name,
    kind: blame.kind,
    scope: blame.scope,
    perRoundTripMs: blame.kind === 'delay' ? blame.addedMs : null,
    costMs: ms,
    lossRatio: blame.lossRatio,
  };
};

export const wordsOf = (blame: Accepted): FamilyWords => familyWords[blame.family];
