import {
  type Evidence,
  type Ledger,
  type Segment,
  segments,
  type Verdict,
} from '#contract/verdict.ts';
import type { JudgedRun } from './baseline.ts';
import type { Scene } from './causes/cause.ts';
import { looksAtHost } from './causes/page.ts';
import {
  confidenceOfFailure,
  confidenceOfOk,
  confidenceOfPage,
  confidenceOfShare,
} from './confidence.ts';
import { clean, evidenceOf, runLines } from './evidence.ts';
import { type Finding, findInTrack } from './findings.ts';
import type { DiagnosisInput } from './input.ts';
import { findInPages, type PageFinding } from './page.ts';
import { scoreOf } from './score.ts';
import { looksAtSharedHang } from './shared-hang.ts';
import { roundMs } from './statistics.ts';
import { comparisonTracks, judgedTracks, type Track, tracksOf } from './tracks.ts';
import { atMost, sayMs } from './wording.ts';
import {
  failingWords,
  leftOutWords,
  okWords,
  pageOkWords,
  pageSlowWords,
  policyWords,
  slowWords,
  thinWords,
  unlocatedWords,
} from './words.ts';

/**
 * Where the time goes for one device and application: a pure function of what was stored. Every
 * probe is judged by itself and the worst finding is the verdict; pages are asked only when the
 * requests are fine.
 */
export const diagnose = (input: DiagnosisInput): Verdict => {
  const tracks = judgedTracks(input);
  const found = worst(tracks.map((track) => findInTrack(track, input)));
  if (found !== undefined && rank[found.kind] < rank.ok) return verdictOf(found, tracks, input);
  const page = worst(tracksOf(input.pageLoads, input.nowMs).map(findInPages));
  if (page !== undefined && (found === undefined || rank[page.kind] < rank[found.kind])) {
    return { ...pageVerdict(page, input), ledger: requestLedger(found) };
  }
  return found === undefined ? nothingJudged(input) : verdictOf(found, tracks, input);
};

/** A page load is not split; the request beside it is, and says what the page does not suffer from. */
const requestLedger = (found: Finding | undefined): Ledger | null => {
  const run = found?.kind === 'ok' || found?.kind === 'thin' ? found.runs.at(-1) : undefined;
  return run === undefined ? null : ledgerOf(run);
};

/** Worse first. A probe that lacks evidence does not hide one that is known to be fine. */
const rank = {
  failing: 0,
  'page-failing': 1,
  slow: 2,
  'page-slow': 3,
  unlocated: 4,
  policy: 5,
  ok: 6,
  'page-ok': 7,
  'left-out': 8,
  'page-left-out': 9,
  thin: 10,
  'page-thin': 11,
} as const satisfies Record<Finding['kind'] | PageFinding['kind'], number>;

/** Among equals the one that adds most, then the first. */
const worst = <F extends Finding | PageFinding>(findings: readonly F[]): F | undefined =>
  [...findings].sort((a, b) => rank[a.kind] - rank[b.kind] || weight(b) - weight(a))[0];

const weight = (finding: Finding | PageFinding): number =>
  finding.kind === 'slow' || finding.kind === 'unlocated' ? (finding.run.addedTotalMs ?? 0) : 0;

const verdictOf = (finding: Finding, tracks: readonly Track[], input: DiagnosisInput): Verdict => {
  const direct = comparisonTracks(input, tracks).flatMap((track) => track.runs);
  const sceneOf = (run: JudgedRun): Scene => ({ input, run, direct });
  switch (finding.kind) {
    case 'ok': {
      const run = finding.runs.at(-1) as JudgedRun;
      return {
        ...blank(input),
        ...numbersOf(run),
        ...spoken(okWords(finding, input)),
        state: 'ok',
        confidence: confidenceOfOk(run),
        score: scoreOf(run.addedTotalMs ?? 0, run.thresholdMs ?? 0, false),
        evidence: evidenceOf(sceneOf(run), [], tracks),
      };
    }
    case 'slow':
      return slowVerdict(finding, sceneOf(finding.run), tracks);
    case 'unlocated':
      return {
        ...blank(input),
        ...numbersOf(finding.run),
        ...spoken(unlocatedWords(sceneOf(finding.run), finding.sinceMs)),
        evidence: evidenceOf(sceneOf(finding.run), [], tracks),
      };
    case 'failing':
      return {
        ...blank(input),
        ...spoken(
          failingWords(finding.run, finding.segment, finding.sinceMs, input, {
            beside: finding.beside,
            rarely: finding.rarely,
          }),
        ),
        state: 'failing',
        segment: finding.segment,
        confidence: confidenceOfFailure(finding.count),
        score: 0,
        evidence: clean([
          failureLine(finding),
          ...looksAtSharedHang(finding.beside),
          ...runLines(tracks),
        ]),
      };
    case 'policy':
      return {
        ...blank(input),
        ...spoken(policyWords(finding, input)),
        evidence: clean(runLines(tracks)),
      };
    case 'left-out':
      return {
        ...blank(input),
        ...spoken(leftOutWords(finding, input)),
        evidence: clean(runLines(tracks)),
      };
    case 'thin': {
      const run = finding.runs.at(-1);
      return {
        ...blank(input),
        ...(run === undefined ? {} : numbersOf(run)),
        ...spoken(thinWords(finding, input)),
        evidence:
          run === undefined ? clean(runLines(tracks)) : evidenceOf(sceneOf(run), [], tracks),
      };
    }
  }
};

const slowVerdict = (
  finding: Extract<Finding, { kind: 'slow' }>,
  scene: Scene,
  tracks: readonly Track[],
): Verdict => {
  const { run, shares, shared } = finding;
  const blamed = shares.slice(0, shared ? 2 : 1).map((share) => share.segment);
  const segment = blamed[0] ?? null;
  return {
    ...blank(scene.input),
    ...numbersOf(run),
    ...spoken(slowWords(finding, scene)),
    state: 'slow',
    segment,
    addedMs: segment === null ? null : rounded(run.added[segment]),
    confidence: confidenceOfShare(shares, finding.runs, run),
    score: scoreOf(run.addedTotalMs ?? 0, run.thresholdMs ?? 0, true),
    evidence: evidenceOf(scene, blamed, tracks),
  };
};

const pageVerdict = (finding: PageFinding, input: DiagnosisInput): Verdict => {
  const lines = runLines([finding.track]);
  switch (finding.kind) {
    case 'page-ok': {
      const { page } = finding;
      return {
        ...blank(input),
        ...pageNumbers(page),
        ...spoken(pageOkWords(finding, input)),
        state: 'ok',
        confidence: confidenceOfPage(0, false),
        score: scoreOf(page.addedMs ?? 0, page.thresholdMs ?? 0, false),
        evidence: clean([pageLine(finding), ...lines]),
      };
    }
    case 'page-slow': {
      const { page } = finding;
      return {
        ...blank(input),
        ...pageNumbers(page),
        ...spoken(pageSlowWords(finding, input)),
        state: 'slow',
        segment: 'page',
        addedMs: rounded(page.addedMs),
        confidence: confidenceOfPage(finding.count, finding.host !== null),
        score: scoreOf(page.addedMs ?? 0, page.thresholdMs ?? 0, true),
        evidence: clean([pageLine(finding), ...looksAtHost(finding.host), ...lines]),
      };
    }
    case 'page-failing':
      return {
        ...blank(input),
        ...spoken(failingWords(finding.run, finding.segment, finding.sinceMs, input)),
        state: 'failing',
        segment: finding.segment,
        confidence: confidenceOfFailure(2),
        score: 0,
        evidence: clean([failureLine(finding), ...lines]),
      };
    case 'page-left-out':
      return { ...blank(input), ...spoken(leftOutWords(finding, input)), evidence: clean(lines) };
    case 'page-thin':
      return { ...blank(input), ...spoken(thinWords(finding, input)), evidence: clean(lines) };
  }
};

/** Every run was left out, or none is planned any more. */
const nothingJudged = (input: DiagnosisInput): Verdict => ({
  ...blank(input),
  sentence: `Not enough evidence about ${input.appName} on ${input.deviceName}: no run that could be judged.`,
  action: 'Check that the application has a probe and that the agent runs.',
});

/** Inconclusive until something is found. */
const blank = (input: DiagnosisInput): Verdict => ({
  version: 1,
  deviceId: input.deviceId,
  appId: input.appId,
  edgeId: input.http.findLast((run) => run.tags.edge !== '')?.tags.edge ?? null,
  at: input.nowMs,
  state: 'inconclusive',
  segment: null,
  addedMs: null,
  totalMs: null,
  baselineMs: null,
  baselineFrom: 'none',
  confidence: 0,
  score: null,
  sentence: '',
  action: '',
  evidence: [],
  ledger: null,
  resultCount: input.http.length + input.pageLoads.length,
});

const spoken = (words: { sentence: string; action: string }) => ({
  sentence: atMost(600, words.sentence),
  action: atMost(600, words.action),
});

const numbersOf = (run: JudgedRun) => ({
  totalMs: roundMs(run.totalMs),
  baselineMs: rounded(run.baselineTotalMs),
  baselineFrom: run.reference.from,
  ledger: ledgerOf(run),
});

const rounded = (ms: number | null): number | null => (ms === null ? null : roundMs(ms));

/** Rounded first, so that what is shown adds up: parts + residual = total. */
const ledgerOf = (run: JudgedRun): Ledger => {
  const how = run.how();
  const parts = segments.map((segment: Segment) => ({
    segment,
    ms: rounded(run.parts[segment]),
    baselineMs: rounded(run.baselineMs[segment]),
    addedMs: rounded(run.added[segment]),
    how: atMost(300, how[segment]),
  }));
  const sumMs = parts.reduce((sum, part) => sum + (part.ms ?? 0), 0);
  const totalMs = roundMs(run.totalMs);
  return {
    totalMs,
    baselineTotalMs: rounded(run.baselineTotalMs),
    residualMs: roundMs(totalMs - sumMs),
    parts,
  };
};

const pageNumbers = (page: Extract<PageFinding, { kind: 'page-ok' }>['page']) => ({
  totalMs: roundMs(page.ms),
  baselineMs: rounded(page.baselineMs),
  baselineFrom: 'own-past' as const,
});

const pageLine = (finding: Extract<PageFinding, { kind: 'page-ok' | 'page-slow' }>): Evidence => ({
  finding: finding.kind === 'page-slow' ? 'against' : 'cleared',
  segment: 'page',
  text: `Page load (${finding.page.milestone}): ${sayMs(finding.page.ms)}, normally ${sayMs(finding.page.baselineMs ?? 0)}.`,
  value: finding.page.ms,
  baseline: finding.page.baselineMs,
  unit: 'ms',
});

const failureLine = (
  finding: Extract<
    Finding | PageFinding,
    { segment: Segment | null; run: { tags: { failure_type: string } } }
  >,
): Evidence => ({
  finding: 'against',
  segment: finding.segment,
  text: `${'rarely' in finding ? 'Two of the last runs, with good ones between,' : 'The last two runs'} failed with ${finding.run.tags.failure_type}.`,
  value: null,
  baseline: null,
  unit: '',
});
