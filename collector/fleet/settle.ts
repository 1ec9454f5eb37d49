import type { Evidence, Segment, Verdict } from '#contract/verdict.ts';

/** Bins after which what the fleet's evidence said is no word about now. */
const binsThatStand = 2;
/**
 * A packet that is lost now and then is not seen in each bin of some seconds: loss that one of them showed
 * stands so long. With bins of a minute the newest has the word at once.
 */
export const lossStandsMs = 30_000;
const maxEvidence = 40;

/**
 * What two judges make together: the runs say how this device and application do and split their
 * newest run's time; of why, the fleet's newest closed bin knows more. So where the runs are slow
 * and the fleet has a cause, the cause is the answer; where the runs are fine again they are fine,
 * but for loss, which most requests escape; where the fleet has no cause the runs' answer stands, and
 * where it has, so far, the smaller one only.
 */
export const settle = (run: Verdict, standing: Verdict | undefined): Verdict => {
  if (standing === undefined || !stands(standing, run)) return run;
  const [top] = standing.causes ?? [];
  const isCause = isExplainedBy(run, standing) || isNowAndThen(run, standing);
  if (top === undefined || !isCause) return run;
  if (isSmallPart(run, standing))
    return { ...run, evidence: together(run.evidence, standing.evidence) };
  return {
    ...run,
    state: run.state === 'failing' ? 'failing' : 'slow',
    segment: standing.segment,
    addedMs: standing.addedMs,
    // An answer that was slow without anybody knowing why had no score.
    score: run.state === 'ok' ? standing.score : (run.score ?? standing.score),
    confidence: standing.confidence,
    sentence: standing.sentence,
    action: standing.action,
    evidence: together(standing.evidence, run.evidence),
    ledger: run.ledger ?? standing.ledger,
    totalMs: run.totalMs ?? standing.totalMs,
    baselineMs: run.baselineMs ?? standing.baselineMs,
    baselineFrom: run.baselineMs === null ? standing.baselineFrom : run.baselineFrom,
    causes: standing.causes ?? [],
  };
};

/** Compared by the runs' own times: a device that was away tells of a time the bin is not about. */
const stands = (standing: Verdict, run: Verdict): boolean => {
  const binMs = standing.binMs ?? 0;
  const standsMs = Math.max(binsThatStand * binMs, isLoss(standing) ? lossStandsMs : 0);
  return run.at - standing.at <= standsMs && standing.at - binMs - run.at < binMs;
};

const isExplainedBy = (run: Verdict, { state, causes }: Verdict): boolean => {
  if (state !== 'slow' && state !== 'failing') return false;
  // A run that does not get through is more than slow: only what explains that is its cause.
  if (run.state === 'failing') return state === 'failing';
  // And one that does get through is not explained by what lets nothing through.
  if (state === 'failing') return false;
  return run.state === 'slow' || (run.state === 'inconclusive' && saysWhyNot(run, causes));
};

/**
 * Without a total nothing was judged: what was left out is not slow. But for runs left out as the device
 * was late, where that is what the fleet's evidence says.
 */
const saysWhyNot = ({ totalMs }: Verdict, causes: Verdict['causes']): boolean =>
  totalMs !== null || causes?.[0]?.family === 'device';

/** Once in a request, so that two runs in a row tell it well. */
const inService: ReadonlySet<Segment> = new Set(['dns', 'tls', 'server', 'transfer']);
const mostPart = { share: 0.5, leastMs: 100 } as const;

/**
 * The runs found in a service what the fleet has not found yet, and it is most of the time: a way that is
 * slower as well is not the answer. Loss is: it holds single requests up for longer than it costs.
 */
const isSmallPart = (run: Verdict, { causes = [] }: Verdict): boolean => {
  if (run.state !== 'slow' || run.segment === null || !inService.has(run.segment)) return false;
  if (causes.some(({ kind, segment }) => kind !== 'delay' || inService.has(segment))) return false;
  const fleetMs = causes.reduce((sum, { addedMs }) => sum + addedMs, 0);
  const runMs = run.addedMs ?? 0;
  return runMs - fleetMs >= mostPart.leastMs && fleetMs < mostPart.share * runMs;
};

/** Two requests that got through unharmed say little of packets that are lost now and then. */
const isNowAndThen = (run: Verdict, standing: Verdict): boolean =>
  run.state === 'ok' && standing.state === 'slow' && isLoss(standing);

const isLoss = ({ causes }: Verdict): boolean => causes?.[0]?.kind === 'loss';

/** The answer's first; the other judge's as context where there is room. */
const together = (answer: readonly Evidence[], other: readonly Evidence[]): Evidence[] => {
  const said = new Set(answer.map(({ text }) => text));
  const more = other
    .filter(({ text }) => !said.has(text))
    .map((line) => (line.finding === 'against' ? { ...line, finding: 'context' as const } : line));
  return [...answer, ...more].slice(0, maxEvidence);
};
