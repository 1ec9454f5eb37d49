import type { Evidence, Verdict } from '#contract/verdict.ts';

/** Bins after which what the fleet's evidence said is no word about now. */
const binsThatStand = 2;
const maxEvidence = 40;

/**
 * What two judges make together: the runs say how this device and application do and split their
 * newest run's time; of why, the fleet's newest closed bin knows more. So where the runs are slow
 * and the fleet has a cause, the cause is the answer; where the runs are fine again they are fine,
 * but for loss, which most requests escape; where the fleet has no cause the runs' answer stands.
 */
export const settle = (run: Verdict, standing: Verdict | undefined): Verdict => {
  if (standing === undefined || !stands(standing, run)) return run;
  const [top] = standing.causes ?? [];
  const isCause = isExplainedBy(run, standing) || isNowAndThen(run, standing);
  if (top === undefined || !isCause) return run;
  return {
    ...run,
    state: standing.state === 'failing' ? 'failing' : run.state === 'failing' ? 'failing' : 'slow',
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
  return run.at - standing.at <= binsThatStand * binMs && standing.at - binMs - run.at < binMs;
};

const isExplainedBy = (run: Verdict, { state }: Verdict): boolean => {
  if (state !== 'slow' && state !== 'failing') return false;
  // A run that does not get through is more than slow: only what explains that is its cause.
  if (run.state === 'failing') return state === 'failing';
  // Without a total nothing was judged: what was left out is not slow.
  return run.state === 'slow' || (run.state === 'inconclusive' && run.totalMs !== null);
};

/** Two requests that got through unharmed say little of packets that are lost now and then. */
const isNowAndThen = (run: Verdict, { state, causes }: Verdict): boolean =>
  run.state === 'ok' && state === 'slow' && causes?.[0]?.kind === 'loss';

/** The fleet's first; the runs' own as context where there is room. */
const together = (fleet: readonly Evidence[], run: readonly Evidence[]): Evidence[] => {
  const said = new Set(fleet.map(({ text }) => text));
  const own = run
    .filter(({ text }) => !said.has(text))
    .map((line) => (line.finding === 'against' ? { ...line, finding: 'context' as const } : line));
  return [...fleet, ...own].slice(0, maxEvidence);
};
