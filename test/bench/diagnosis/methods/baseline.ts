/** How far one value is from its normal, by hour of day. */
export type Quantity = {
  nowMs: number;
  normalMs: number;
  deltaMs: number;
  /** Of the bin before, where there was one. */
  formerDeltaMs: number | null;
  scaleMs: number;
  /** Enough history to be compared with. */
  ready: boolean;
};

export type Baseline = { update(bin: number, hour: number, nowMs: number): Quantity };

const readyCount = 8;
/** A value older than this is no former one: there were no bins between. */
const formerBins = 3;

/**
 * A robust level with an offset for each hour of the day, and its spread: a clipped exponentially
 * weighted mean that does not learn what is far off twice in a row. The simple methods all compare
 * with it, so that what separates them is how they reason and not how they smooth.
 */
export const createBaseline = (floorMs: number): Baseline => {
  const first: number[] = [];
  const offsets = new Float32Array(24);
  const offsetCounts = new Uint16Array(24);
  let level = 0;
  let spread = floorMs;
  let count = 0;
  let former: { bin: number; deltaMs: number } | undefined;

  const offsetAt = (hour: number): number => {
    if (count <= 150) return 0;
    const from = Math.floor(hour - 0.5);
    const share = hour - 0.5 - from;
    const at = (index: number) => offsets[(index + 24) % 24] ?? 0;
    return at(from) * (1 - share) + at(from + 1) * share;
  };
  const begin = (nowMs: number): void => {
    first.push(nowMs);
    level = median(first);
    spread = Math.max(floorMs, 1.48 * median(first.map((value) => Math.abs(value - level))));
  };
  const learn = (hour: number, deltaMs: number, scaleMs: number): void => {
    const formerMs = former?.deltaMs ?? 0;
    const isFault = count > 40 && deltaMs > Math.max(4 * scaleMs, 8) && formerMs > 3 * scaleMs;
    const gate = isFault ? 0.05 : 1;
    const step = Math.max(-1.5 * scaleMs, Math.min(1.5 * scaleMs, deltaMs));
    const slot = Math.floor(hour) % 24;
    level += gate * Math.max(0.012, 1 / (count + 1)) * step;
    offsets[slot] =
      (offsets[slot] ?? 0) + gate * Math.max(0.03, 1 / ((offsetCounts[slot] ?? 0) + 8)) * step;
    offsetCounts[slot] = (offsetCounts[slot] ?? 0) + 1;
    const deviation = 1.25 * Math.min(Math.abs(deltaMs), 4 * scaleMs);
    spread += gate * Math.max(0.01, 1 / (count + 1)) * (deviation - spread);
  };

  return {
    update: (bin, hour, nowMs) => {
      const ready = count >= readyCount;
      const normalMs = ready || count > 0 ? level + offsetAt(hour) : nowMs;
      const scaleMs = Math.max(floorMs, spread, 0.02 * Math.abs(level));
      const deltaMs = nowMs - normalMs;
      const hasFormer = former !== undefined && bin - former.bin <= formerBins;
      const formerDeltaMs = hasFormer ? (former?.deltaMs ?? null) : null;
      if (count < readyCount) begin(nowMs);
      else learn(hour, deltaMs, scaleMs);
      count += 1;
      former = { bin, deltaMs };
      return { nowMs, normalMs, deltaMs, formerDeltaMs, scaleMs, ready };
    },
  };
};

/** Its values by key, each begun when it is first asked for. */
export const createBaselines = () => {
  const byKey = new Map<string, Baseline>();
  return {
    update: (key: string, floorMs: number, bin: number, hour: number, nowMs: number): Quantity => {
      const known = byKey.get(key);
      if (known !== undefined) return known.update(bin, hour, nowMs);
      const made = createBaseline(floorMs);
      byKey.set(key, made);
      return made.update(bin, hour, nowMs);
    },
  };
};

export const median = (values: readonly number[]): number => {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
};
