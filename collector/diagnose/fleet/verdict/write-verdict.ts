import type { Ledger, Verdict, VerdictCause } from '#contract/verdict.ts';
import { scoreOf } from '../../score.ts';
import { roundMs } from '../../statistics.ts';
import { atMost } from '../../wording.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { mostLikely } from './candidates.ts';
import { confidenceOfFailure } from './confidence.ts';
import { evidenceOf } from './evidence-of-pair.ts';
import { type Judgement, judgeSlow } from './judgement.ts';
import { ledgerOf } from './ledger-of-run.ts';
import type { Part } from './part.ts';
import { failingWords, slowWords, unknownWords } from './sentences.ts';
import { observedMs } from './slow.ts';

const mostCauses = 8;

/** What is said of one device and application in one bin. */
export const writeVerdict = (pair: PairInView, scene: BinScene): Verdict => {
  const ledger = ledgerOf(pair.device, pair.app, scene.services);
  const judgement = judgeSlow(pair, scene);
  const common = { ...frame(pair, ledger, scene), causes: causesOf(pair, judgement, scene) };
  if (pair.kind === 'failing') return failing(common, pair, scene);
  return pair.kind === 'slow' && judgement.abstains === null
    ? slow(common, pair, judgement, scene)
    : unknown(common, pair, judgement, scene);
};

type Common = Verdict & { causes: VerdictCause[] };

const frame = ({ device, app }: PairInView, ledger: Ledger | null, { view }: BinScene): Verdict => {
  const delta = app.total ?? app.pageTotal;
  const known = delta?.ready === true;
  return {
    version: 1,
    deviceId: device.deviceId,
    appId: app.appId,
    edgeId: app.edgeId,
    at: view.toMs,
    binMs: view.binMs,
    state: 'inconclusive',
    segment: null,
    addedMs: null,
    totalMs: ledger?.totalMs ?? (delta === null ? null : roundMs(Math.max(0, delta.nowMs))),
    baselineMs: known ? roundMs(Math.max(0, delta.normalMs)) : null,
    baselineFrom: known ? 'own-past' : 'none',
    confidence: 0,
    score: null,
    sentence: '',
    action: '',
    evidence: [],
    ledger,
    resultCount: app.runCount,
  };
};

const slow = (common: Common, pair: PairInView, judgement: Judgement, scene: BinScene): Verdict => {
  const top = pair.parts[0] as Part;
  const addedMs = Math.max(pair.sumMs, observedMs(pair.app) ?? 0);
  return {
    ...common,
    ...spoken(slowWords(pair, judgement, scene)),
    state: 'slow',
    segment: top.blame.segment,
    addedMs: roundMs(top.ms),
    confidence: judgement.confidence,
    score: scoreOf(addedMs, pair.slowFromMs, true),
    evidence: evidenceOf(pair, scene),
  };
};

const unknown = (
  common: Common,
  pair: PairInView,
  judgement: Judgement,
  scene: BinScene,
): Verdict => {
  const likely = mostLikely(pair, common.ledger, scene);
  const abstains = pair.kind === 'own-slow' ? 'unexplained' : (judgement.abstains ?? 'unsure');
  return {
    ...common,
    ...spoken(unknownWords(pair, likely, abstains, scene)),
    confidence: judgement.confidence,
    evidence: evidenceOf(pair, scene),
  };
};

const failing = (common: Common, pair: PairInView, scene: BinScene): Verdict => {
  const { blame } = pair.parts[0] as Part;
  const deviceCount = scene.findings.reach.get(blame)?.deviceCount ?? 1;
  return {
    ...common,
    ...spoken(failingWords(pair, scene)),
    state: 'failing',
    segment: blame.segment,
    totalMs: null,
    confidence: confidenceOfFailure(scene.failures.binsInRow(pair.device, pair.app), deviceCount),
    score: 0,
    evidence: evidenceOf(pair, scene),
    ledger: null,
  };
};

/** Of causes that nobody feels no incident is told, so no verdict refers to one. */
const causesOf = (pair: PairInView, judgement: Judgement, scene: BinScene): VerdictCause[] =>
  pair.parts.flatMap((part) => causeOf(part, pair, judgement, scene)).slice(0, mostCauses);

const causeOf = (
  part: Part,
  { device, app, kind }: PairInView,
  judgement: Judgement,
  { byBlame, names }: BinScene,
): VerdictCause[] => {
  const { blame, ms } = part;
  const incident = byBlame.get(blame);
  if (incident === undefined || !incident.felt) return [];
  const fails = kind === 'failing';
  return [
    {
      family: blame.family,
      kind: blame.kind,
      segment: blame.segment,
      element: names.inElement(blame.elementFor(device.index, app.appId)),
      scope: blame.scope,
      addedMs: fails ? 0 : roundMs(ms),
      share: fails ? 1 : Math.round(judgement.shareOf(part) * 1_000) / 1_000,
      perRoundTripMs: blame.kind === 'delay' ? roundMs(blame.addedMs) : null,
      lossRatio: blame.kind === 'loss' ? roundRatio(blame.lossRatio) : null,
      deviceCount: incident.deviceCount,
      healthyDeviceCount: blame.healthyCount,
      startedAt: incident.startedAt,
      incidentId: incident.id,
    },
  ];
};

const roundRatio = (ratio: number | null): number | null =>
  ratio === null ? null : Math.round(Math.min(1, ratio) * 10_000) / 10_000;

const spoken = (words: { sentence: string; action: string }) => ({
  sentence: atMost(600, words.sentence),
  action: atMost(600, words.action),
});
