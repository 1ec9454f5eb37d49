import type { Evidence, SharedIncident } from '#contract/verdict.ts';
import { causes } from '../../causes/causes.ts';
import { roundMs } from '../../statistics.ts';
import { atMost, capital, sayMs, sayPercent } from '../../wording.ts';
import type { BinScene } from './bin-scene.ts';
import { inWords } from './evidence-of-pair.ts';
import type { Tracked } from './incident-book.ts';
import { suffering } from './reach-words.ts';
import { sayStart } from './sentences.ts';

/** A cause's life so far, for people and programs. */
export const describeIncident = (one: Tracked, scene: BinScene): SharedIncident => ({
  kind: 'incident',
  version: 1,
  id: one.id,
  family: one.family,
  causeKind: one.kind,
  segment: one.segment,
  element: scene.names.inElement(one.element),
  scope: one.scope,
  level: one.level,
  startedAt: one.startedAt,
  seenAt: one.seenAt,
  endedAt: one.endedAt,
  perRoundTripMs: one.perRoundTripMs === null ? null : roundMs(one.perRoundTripMs),
  lossRatio: one.lossRatio === null ? null : Math.round(Math.min(1, one.lossRatio) * 1e4) / 1e4,
  deviceCount: one.deviceCount,
  pairCount: one.pairCount,
  healthyDeviceCount: one.healthyDeviceCount,
  impactMsMinutes: Math.round(one.impactMsMinutes),
  confidence: one.confidence,
  sentence: atMost(600, sentenceOf(one, scene)),
  evidence: evidenceOf(one, scene),
});

const sentenceOf = (one: Tracked, { view, names }: BinScene): string => {
  const start = sayStart(one.startedAt, view.toMs);
  const when =
    one.endedAt === null
      ? `since ${start}`
      : `from ${start} to ${sayStart(one.endedAt, view.toMs)}`;
  const who = suffering(one.kind, one.deviceCount, one.endedAt === null);
  return `${headOf(one, names.inText(one.element.name))}: ${effectOf(one)} ${when}; ${who}${one.healthyDeviceCount > 0 ? `, ${one.healthyDeviceCount} that meet it show nothing` : ''}.`;
};

/** An id that nobody named stays as it is. */
const headOf = ({ element }: Tracked, name: string): string =>
  name === element.id ? name : capital(name);

const effectOf = (one: Tracked): string => {
  if (one.kind === 'loss') return `${sayPercent(one.lossRatio ?? 0)} of the packets are lost`;
  if (one.kind === 'failure') return causes[one.segment].fails;
  return `${sayMs(one.perRoundTripMs ?? 0)} more ${onPath.has(one.segment) ? 'on each round trip' : 'on each request'}`;
};

const onPath: ReadonlySet<string> = new Set([
  'gateway',
  'client-edge',
  'tunnel-queue',
  'edge-origin',
]);

const evidenceOf = (one: Tracked, scene: BinScene): Evidence[] => {
  const blame = [...scene.byBlame].find(([, each]) => each === one)?.[0];
  const example = blame === undefined ? undefined : scene.findings.reach.get(blame)?.examples[0];
  if (blame === undefined || example === undefined) return [];
  const lines = blame.evidenceFor(example.deviceIndex, example.appId).slice(0, mostEvidence);
  return inWords(
    lines.map((line) => ({ ...line, segment: one.segment })),
    scene,
  );
};
const mostEvidence = 20;
