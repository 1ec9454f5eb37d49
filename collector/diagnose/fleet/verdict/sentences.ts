import { sayCount, sayMs, sayPercent, sayTime } from '../../wording.ts';
import type { Words } from '../../words.ts';
import type { Accepted } from '../accepted.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { failureActions, failureSays } from './failure-words.ts';
import type { Judgement } from './judgement.ts';
import type { Part } from './part.ts';
import { apartFrom, meets } from './reach-words.ts';
import { normalMs, observedMs } from './slow.ts';
import { told, wordsOf } from './told.ts';

/** One a helpdesk person can read out. */
export const slowWords = (pair: PairInView, judgement: Judgement, scene: BinScene): Words => {
  const [top, second] = pair.parts as [Part, Part | undefined];
  const about = told(top.blame, pair, top.ms, scene);
  const words = wordsOf(top.blame);
  const opening = `${subject(pair, scene)} is slow on ${scene.names.device(pair.device.deviceId)} ${since(top.blame, scene)}`;
  if (judgement.shared && second !== undefined) {
    const beside = told(second.blame, pair, second.ms, scene);
    return {
      sentence: `${opening}, for two reasons: ${words.says(about)}; and ${wordsOf(second.blame).says(beside)}.`,
      action: `${words.action(about)} Then: ${wordsOf(second.blame).action(beside)}`,
    };
  }
  return {
    sentence: `${opening}: ${words.says(about)}${othersClause(top.blame, scene)}.`,
    action: words.action(about),
  };
};

const subject = ({ app }: PairInView, { names }: BinScene): string => names.application(app.appId);

const since = (blame: Accepted, { byBlame, view }: BinScene): string => {
  const startedAt = byBlame.get(blame)?.startedAt ?? view.fromMs;
  return `since ${sayStart(startedAt, view.toMs)}`;
};

const dayMs = 24 * 3_600_000;

/** The day stands before the time where it is not today's. */
export const sayStart = (startedAt: number, nowMs: number): string =>
  Math.floor(startedAt / dayMs) === Math.floor((nowMs - 1) / dayMs)
    ? sayTime(startedAt)
    : `${new Date(startedAt).toISOString().slice(0, 10)} ${sayTime(startedAt)}`;

/** "; 34 other devices have it too, 120 that do not cross it are fine" */
export const othersClause = (blame: Accepted, { byBlame, findings }: BinScene): string => {
  const others = (byBlame.get(blame)?.deviceCount ?? 1) - 1;
  const fine = findings.fineDeviceCount;
  if (others <= 0) {
    return fine === 0
      ? ''
      : `; ${sayCount(fine, 'other device')} ${fine === 1 ? 'is' : 'are'} fine`;
  }
  const have = `; ${sayCount(others, 'other device')} ${others === 1 ? 'has' : 'have'} it too`;
  const apart = apartFrom(blame, findings);
  if (apart === null)
    return fine === 0 ? have : `${have}, ${fine} ${fine === 1 ? 'is' : 'are'} fine`;
  if (apart === 0) return have;
  return `${have}, ${apart} that ${apart === 1 ? 'does' : 'do'} not ${meets(blame)} ${apart === 1 ? 'is' : 'are'} fine`;
};

type Abstention = NonNullable<Judgement['abstains']> | 'unexplained';

const missing: Record<Abstention, { what: string; action: string }> = {
  'short-history': {
    what: 'the device has not been seen for long enough to know what is normal for it',
    action: 'Wait until eight bins have been measured; the verdict follows by itself.',
  },
  'few-samples': {
    what: 'too little was measured on this device in the last three bins',
    action: 'Check that the agent runs and ships its results (`whyslow agent status`).',
  },
  'round-trips-do-not-fit': {
    what: 'the requests themselves do not take as much longer as the path should make them',
    action: 'Wait for the next runs; compare with the ledger below.',
  },
  unsure: {
    what: 'the evidence does not tell the explanations apart',
    action: 'Wait for the next bin, or ask for more runs now (`whyslow run`).',
  },
  unexplained: {
    what: 'no measured part of the way or of the service has changed enough to explain it',
    action: 'Compare the ledger below; ask for more runs now (`whyslow run`).',
  },
};

/** "Unknown; most likely A or B." */
export const unknownWords = (
  pair: PairInView,
  likely: readonly string[],
  reason: Abstention,
  scene: BinScene,
): Words => {
  const { what, action } = missing[reason];
  const guess = likely.length === 0 ? 'nothing stands out' : `most likely ${likely.join(' or ')}`;
  const name = scene.names.device(pair.device.deviceId);
  return {
    sentence: `${subject(pair, scene)} ${howSlow(pair, name)}, but it is unknown where: ${guess}. It cannot be said surely, as ${what}.`,
    action,
  };
};

/** Above the usual is what was measured; what causes are thought to cost is said as that. */
const howSlow = ({ kind, app, parts, sumMs, slowFromMs }: PairInView, name: string): string => {
  const measuredMs = observedMs(app) ?? 0;
  const usual = sayMs(normalMs(app));
  if (kind === 'own-slow' || measuredMs >= slowFromMs) {
    return `is slow on ${name} (${sayMs(measuredMs)} above the usual ${usual})`;
  }
  const lost = parts[0]?.blame.kind === 'loss' ? parts[0].blame.lossRatio : null;
  return lost === null
    ? `may be slow on ${name} (what was found on its way would add ${sayMs(sumMs)} to the usual ${usual})`
    : `may be slow on ${name} (${sayPercent(lost)} of the packets are lost, which may cost about ${sayMs(sumMs)} on each request)`;
};

export const failingWords = (pair: PairInView, scene: BinScene): Words => {
  const { blame, ms } = pair.parts[0] as Part;
  const about = told(blame, pair, ms, scene);
  const what = blame.family === 'mtu' ? wordsOf(blame).says(about) : failureSays(about, blame);
  const name = scene.names.device(pair.device.deviceId);
  return {
    sentence: `${subject(pair, scene)} does not work on ${name} ${since(blame, scene)}: ${what}${othersClause(blame, scene)}.`,
    action: blame.family === 'mtu' ? wordsOf(blame).action(about) : failureActions[blame.segment],
  };
};
