import { type Ledger, segmentNames } from '#contract/verdict.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { told } from './told.ts';

/** Added to one part of the ledger: below this it is no candidate. */
const leastAddedMs = 10;

/**
 * The two best explanations of something slow that cannot be explained surely: causes accepted,
 * then what nearly was, then the parts of the ledger that grew most.
 */
export const mostLikely = (pair: PairInView, ledger: Ledger | null, scene: BinScene): string[] => {
  const found: string[] = [];
  const add = (text: string): void => {
    if (!found.includes(text)) found.push(text);
  };
  for (const { blame, ms } of pair.parts.slice(0, 2)) {
    const { name } = told(blame, pair, ms, scene);
    add(`${name} (${Math.round(ms)} ms)`);
  }
  const rival = pair.parts[0]?.blame.runnerUp;
  if (rival) add(scene.names.inText(rival.element.name));
  const parts = (ledger?.parts ?? [])
    .filter((part) => (part.addedMs ?? 0) >= leastAddedMs)
    .sort((a, b) => (b.addedMs ?? 0) - (a.addedMs ?? 0));
  for (const part of parts) {
    if (pair.parts.some(({ blame }) => blame.segment === part.segment)) continue;
    add(`${segmentNames[part.segment]} (${Math.round(part.addedMs ?? 0)} ms)`);
  }
  return found.slice(0, 2);
};
