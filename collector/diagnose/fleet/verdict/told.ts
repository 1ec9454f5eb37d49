import type { BadPair } from './bad-pairs.ts';
import type { BinScene } from './bin-scene.ts';
import type { Blame } from './blame.ts';
import { familyWords, type Told } from './family-words.ts';

/** A blame as one device and application meet it: its element on their own path. */
export const told = (
  blame: Blame,
  { device, app }: Pick<BadPair, 'device' | 'app'>,
  ms: number,
  { names }: Pick<BinScene, 'names'>,
): Told => ({
  element: blame.elementFor(device.index, app.appId),
  kind: blame.kind,
  perRoundTripMs: blame.kind === 'delay' ? blame.addedMs : null,
  costMs: ms,
  lossRatio: blame.lossRatio,
  appName: names.application(app.appId),
  edgeName: names.edge(app.edgeId ?? device.edgeId ?? ''),
});

export const wordsOf = (blame: Blame) => familyWords[blame.family];
