import type { Evidence, Segment } from '#contract/verdict.ts';
import { sayMs, sayTime } from '../../wording.ts';
import type { TraceView } from '../bin-view.ts';

/** A hop this much later than usual, and later by so many scales, looks guilty. */
const late = { ms: 8, scales: 3 } as const;
/** Later hops that rise by less than this share of it acquit it. */
const followedShare = 0.5;
const mostLines = 2;

/** Hops that answer late while what lies behind them does not: a router answers by the way. */
export const lateHops = (trace: TraceView | null, segment: Segment): Evidence[] => {
  if (trace === null) return [];
  const changed: Evidence[] =
    trace.changedAtMs === null
      ? []
      : [
          {
            finding: 'context',
            segment,
            text: `The path is another than usual since ${sayTime(trace.changedAtMs)}.`,
            value: null,
            baseline: null,
            unit: '',
          },
        ];
  return [...changed, ...innocent(trace, segment).slice(0, mostLines)];
};

const innocent = (trace: TraceView, segment: Segment): Evidence[] => {
  const lines: Evidence[] = [];
  let leastBehindMs = trace.rtt?.ready ? trace.rtt.fastMs : Number.POSITIVE_INFINITY;
  for (const hop of [...trace.hops].reverse()) {
    const { delta, address } = hop;
    if (delta === null || !delta.ready || address === null) continue;
    const raisedMs = delta.fastMs;
    const looksLate = raisedMs >= Math.max(late.ms, late.scales * delta.scaleMs);
    if (looksLate && leastBehindMs < followedShare * raisedMs) {
      lines.push({
        finding: 'cleared',
        segment,
        text: `Hop ${hop.ttl} (${address}) answers ${sayMs(raisedMs)} later than usual, hops behind it do not: it is slow to answer, not to forward.`,
        value: delta.nowMs,
        baseline: delta.normalMs,
        unit: 'ms',
      });
    }
    leastBehindMs = Math.min(leastBehindMs, raisedMs);
  }
  return lines.reverse();
};
