import type { Delta } from '../bin-view.ts';
import { weightedMedian } from '../map/weighted-median.ts';
import type { Group } from './group.ts';
import type { Slot } from './slots.ts';

/**
 * Scatter of end-to-end values about a cause: near 0 where it adds a constant, about 0.3 to 0.45 where
 * it is an exponential queue (measured as medians of 10 to 20). In between the two are mixed.
 */
const scatter = { constant: 0.1, queue: 0.28 };
/** What is believed before anything is seen, as if of so many values. */
const prior = { scatter: 0.17, count: 3 };
/** A median of many exponential values lies at 0.69 of their mean; medians of medians higher. */
const oneSample = 0.42;
const moreSamples = 0.23;
const madToScale = 1.48;
/** What the search found of two bins may have grown less since, but not gone. */
const leastNow = 0.5;
/** Where samples show themselves how far their mean lies above their median. */
const mostSkew = 0.6;

/**
 * Mean milliseconds on one crossing, now: people wait for the mean, and what the search found is
 * the lesser of two medians. Other causes are taken off first.
 */
export const meanOf = (
  cause: { group: Group; magnitude: number },
  slots: readonly Slot[],
  explainedMs: (slot: number) => number,
): number => {
  const measuring = cause.group.members.flatMap((member) => {
    const slot = slots[member];
    if (slot === undefined || !slot.kind.reference || !slot.delta?.ready) return [];
    const mayBeElsewhere = slot.unit.device?.sameFlow === false;
    return [{ delta: slot.delta, othersMs: explainedMs(member) - cause.magnitude, mayBeElsewhere }];
  });
  // Who may take another of several ways belongs to a cause on each, and has one of them at most.
  const sure = measuring.filter(({ mayBeElsewhere }) => !mayBeElsewhere);
  const seen = sure.length > 0 ? sure : measuring;
  const now = seen.map(({ delta, othersMs }) => delta.fastMs - othersMs);
  const middleMs = now.length === 0 ? cause.magnitude : median(now);
  if (!(middleMs > leastNow * cause.magnitude)) return cause.magnitude;
  const before = seen.flatMap(({ delta, othersMs }) => formerOf(delta).map((ms) => ms - othersMs));
  const share = queueShare([...now, ...before], middleMs, median(seen.map(scaleOf)));
  const factor = median(seen.map(({ delta }) => factorOf(delta, middleMs)));
  return middleMs * (1 + share * factor);
};

const scaleOf = ({ delta }: { delta: Delta }): number => delta.scaleMs;

/** The bin before, where it already showed the cause. */
const formerOf = ({ fastMs, meanMs, persistentMs }: Delta): number[] =>
  persistentMs === null ? [] : [2 * meanMs - fastMs];

const factorOf = ({ sampleCount, skewMs }: Delta, middleMs: number): number => {
  const bySamples = oneSample / (1 + moreSamples * Math.max(0, sampleCount - 1));
  return Math.max(bySamples, Math.min(mostSkew, skewMs / middleMs));
};

/** 0: a constant; 1: an exponential queue. */
const queueShare = (values: readonly number[], middleMs: number, noiseMs: number): number => {
  const shown = values.filter((ms) => ms > 0.3 * middleMs);
  if (shown.length === 0) return 0;
  const center = median(shown);
  const spread = madToScale * median(shown.map((ms) => Math.abs(ms - center)));
  const own = Math.max(0, spread ** 2 - noiseMs ** 2) / center ** 2;
  const pooled =
    (own * shown.length + prior.scatter ** 2 * prior.count) / (shown.length + prior.count);
  const at = (Math.sqrt(pooled) - scatter.constant) / (scatter.queue - scatter.constant);
  return Math.min(1, Math.max(0, at));
};

const median = (values: readonly number[]): number =>
  values.length === 0
    ? 0
    : weightedMedian(
        values,
        values.map(() => 1),
      );
