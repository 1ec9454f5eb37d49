import { at, type ColumnSpec, createColumns } from './columns.ts';
import { middleOf } from './grouped.ts';
import { kinds } from './kinds.ts';

/**
 * Seasonal robust baselines. Each key has a level, a scale, an offset for each hour of the day and
 * its last three differences. The steps are clipped, so one odd value moves nothing, and what looks
 * like a fault is hardly learned at all (a twentieth: a change for good is normal after a day or two).
 */
export const keyColumns = {
  owner: 'u32',
  /** Kind × 2^26 + what of it. */
  what: 'u32',
  level: 'f32',
  scale: 'f32',
  /** Differences from normal: newest, the one before, and the one before that. */
  newest: 'f32',
  former: 'f32',
  older: 'f32',
  /** Bin of the newest, and how many bins earlier the others were (255: too long ago). */
  bin: 'u32',
  formerGap: 'u8',
  olderGap: 'u8',
  firstBin: 'u32',
  /** Bins learned from. */
  learned: 'u16',
  /** Samples in the newest bin, and in a usual one. */
  samples: 'u16',
  usualSamples: 'f32',
  skew: 'f32',
  flags: 'u8',
  /** Of totals: place + 1 that served the newest run which told it. */
  place: 'u32',
  /** Bin since which every value looked like a fault; 0: the newest did not. */
  suspectedSince: 'u32',
  /** 24 offsets in 64ths of the kind's floor; until a key is ready its first eight values (f32) lie here. */
  offsets: ['i16', 24],
} as const satisfies ColumnSpec;

export type Keys = ReturnType<typeof createKeyColumns>;
export const createKeyColumns = (saved?: Parameters<typeof createColumns>[1]) =>
  createColumns(keyColumns, saved);
type KeyPage = ReturnType<Keys['page']>;

/** The newest value is not to be learned: all of it was measured beside the plan. */
export const beside = 1;

/** Bins until a key is used: median and MAD of eight are right within a third or so. */
export const readyAfter = 8;

/** Rates were measured with bins of five minutes; shorter ones learn as fast by the clock. */
const referenceMs = 300_000;
const hourMs = 3_600_000;

export type Learning = {
  binMs: number;
  levelRate: number;
  scaleRate: number;
  offsetRate: number;
  /** Bins before the hour of day is believed. */
  seasonalAfter: number;
  stepsAnHour: number;
  /** Two values further apart are not "in a row". */
  longestGap: number;
};

export const learningFor = (binMs: number, seasonal: boolean): Learning => {
  const share = binMs / referenceMs;
  const rate = (measured: number): number => 1 - (1 - measured) ** share;
  return {
    binMs,
    levelRate: rate(0.012),
    scaleRate: rate(0.01),
    offsetRate: rate(0.03),
    seasonalAfter: seasonal ? Math.ceil(150 / share) : Number.POSITIVE_INFINITY,
    stepsAnHour: hourMs / binMs,
    longestGap: Math.min(200, Math.max(4, Math.ceil(600_000 / binMs))),
  };
};

/** Where in the day a bin's middle lies: the two nearest hour centres and their weights. */
export type DayTime = { early: number; late: number; lateShare: number };
export const dayTimeOf = (timeMs: number): DayTime => {
  const position = (timeMs / hourMs + 23.5) % 24;
  const early = Math.floor(position);
  return { early, late: (early + 1) % 24, lateShare: position - early };
};

export const kindAt = (what: number): number => what >>> 26;
export const subOf = (what: number): number => what & 0x3ffffff;

export const normalOf = (page: KeyPage, slot: number, when: DayTime, how: Learning): number => {
  const level = at(page.level, slot);
  if (at(page.learned, slot) <= how.seasonalAfter) return level;
  const early = at(page.offsets, slot * 24 + when.early);
  const late = at(page.offsets, slot * 24 + when.late);
  return level + grainOf(page, slot) * (early + (late - early) * when.lateShare);
};

const floorOf = (page: KeyPage, slot: number): number =>
  (kinds[kindAt(at(page.what, slot))] as (typeof kinds)[number]).floorMs;
const grainOf = (page: KeyPage, slot: number): number => floorOf(page, slot) / 64;

/** Robust spread of a bin's value, were it of the usual number of samples. */
export const spreadOf = (page: KeyPage, slot: number): number => {
  return Math.max(floorOf(page, slot), at(page.scale, slot), 0.02 * Math.abs(at(page.level, slot)));
};

/** A bin of fewer samples than usual is less sure: the error of a median goes with 1/√n. */
export const scaleOf = (page: KeyPage, slot: number): number => {
  const few = at(page.usualSamples, slot) / Math.max(1, at(page.samples, slot));
  return spreadOf(page, slot) * (few > 1 ? Math.sqrt(few) : 1);
};

/** Notes a bin's value: what follows sees its difference from normal; nothing is learned yet. */
export const noteValue = (
  page: KeyPage,
  slot: number,
  value: { ms: number; samples: number; skewMs: number; bin: number; beside: boolean },
  when: DayTime,
  how: Learning,
): void => {
  const first = at(page.learned, slot) === 0;
  const difference = first ? 0 : value.ms - normalOf(page, slot, when, how);
  if (first) page.level[slot] = value.ms;
  const gap = value.bin - at(page.bin, slot);
  page.older[slot] = at(page.former, slot);
  page.olderGap[slot] = Math.min(255, gap + at(page.formerGap, slot));
  page.former[slot] = at(page.newest, slot);
  page.formerGap[slot] = at(page.bin, slot) === 0 ? 255 : Math.min(255, gap);
  page.newest[slot] = difference;
  page.bin[slot] = value.bin;
  page.samples[slot] = Math.min(65_535, value.samples);
  page.skew[slot] = value.skewMs;
  page.flags[slot] = (at(page.flags, slot) & ~beside) | (value.beside ? beside : 0);
  if (at(page.firstBin, slot) === 0) page.firstBin[slot] = value.bin;
};

/** Learns the newest value, or `otherMs` in its stead. */
export const learnNewest = (
  page: KeyPage,
  slot: number,
  when: DayTime,
  how: Learning,
  otherMs?: number,
): void => {
  if (otherMs === undefined && at(page.flags, slot) & beside) return;
  const samples = at(page.samples, slot);
  const usual = at(page.usualSamples, slot);
  const usualRate = Math.max(0.05, 1 / (at(page.learned, slot) + 1));
  page.usualSamples[slot] = usual + usualRate * (samples - usual);
  const ms = otherMs ?? at(page.newest, slot) + normalOf(page, slot, when, how);
  learnValue(page, slot, ms, when, how);
};

export const learnValue = (
  page: KeyPage,
  slot: number,
  ms: number,
  when: DayTime,
  how: Learning,
): void => {
  const learned = at(page.learned, slot);
  if (learned < readyAfter) collectFirst(page, slot, ms);
  else step(page, slot, ms - normalOf(page, slot, when, how), when, how);
  page.learned[slot] = learned < mostLearned ? learned + 1 : mostLearned - countAgain;
};

/**
 * A count that stood still would round every step of an hour the same way for ever: beyond what it can
 * hold it runs through its last values again.
 */
const mostLearned = 65_535;
const countAgain = 4_096;

const step = (
  page: KeyPage,
  slot: number,
  difference: number,
  when: DayTime,
  how: Learning,
): void => {
  const learned = at(page.learned, slot);
  const spread = spreadOf(page, slot);
  const limit = 1.5 * spread;
  const clipped = Math.max(-limit, Math.min(limit, difference));
  const openness = gate(page, slot, difference, spread, how);
  const early = openness / (learned + 1);
  const levelStep = Math.max(openness * how.levelRate, early) * clipped;
  page.level[slot] = at(page.level, slot) + levelStep;
  const size = 1.25 * Math.min(Math.abs(difference), 4 * spread);
  const scale = at(page.scale, slot);
  page.scale[slot] = scale + Math.max(openness * how.scaleRate, early) * (size - scale);
  if (how.seasonalAfter === Number.POSITIVE_INFINITY) return;
  if (learned < 24 * how.stepsAnHour) keepKnownHours(page, slot, levelStep, when, how);
  // An hour has few bins to be learned in: its steps are clipped more loosely.
  const loose = Math.max(-2 * limit, Math.min(2 * limit, difference));
  stepOffsets(page, slot, openness * loose, when, how);
};

/** A fault is not learned: twice far above normal lets a twentieth through, for half a day. */
const gate = (
  page: KeyPage,
  slot: number,
  difference: number,
  spread: number,
  how: Learning,
): number => {
  const since = at(page.suspectedSince, slot);
  const isSuspect = difference > Math.max(3 * spread, 6);
  page.suspectedSince[slot] = isSuspect ? since || at(page.bin, slot) : 0;
  const isFault = difference > Math.max(4 * spread, 8) && since > 0;
  if (!isFault || at(page.learned, slot) <= sureAfter) return 1;
  const lastedMs = (at(page.bin, slot) - since) * how.binMs;
  return lastedMs < 12 * hourMs ? 0.05 : lastedMs < 24 * hourMs ? 0.3 : 1;
};
/** Before that a first impression may be wrong and has to be able to go. */
const sureAfter = 16;

const stepOffsets = (
  page: KeyPage,
  slot: number,
  difference: number,
  when: DayTime,
  how: Learning,
): void => {
  const days = Math.max(0.5, at(page.learned, slot) / (24 * how.stepsAnHour));
  const rate = Math.max(how.offsetRate, 1 / ((0.3 + days) * how.stepsAnHour));
  const early = slot * 24 + when.early;
  const late = slot * 24 + when.late;
  const grains = (rate * difference) / grainOf(page, slot);
  // Most steps are below the grain; a threshold that runs through all fractions keeps their sum.
  const threshold = (at(page.learned, slot) * goldenRatio) % 1;
  page.offsets[early] = stepped(at(page.offsets, early), grains * (1 - when.lateShare), threshold);
  page.offsets[late] = stepped(at(page.offsets, late), grains * when.lateShare, threshold);
};
const goldenRatio = 0.618_033_988_75;

/**
 * On the first day the level follows the hours. What was normal in those that are over was measured
 * then: it stays, wherever the level goes.
 */
const keepKnownHours = (
  page: KeyPage,
  slot: number,
  levelStep: number,
  { early, late }: DayTime,
  how: Learning,
): void => {
  const hours = Math.floor((at(page.bin, slot) - at(page.firstBin, slot)) / how.stepsAnHour);
  const grains = -levelStep / grainOf(page, slot);
  const threshold = (at(page.learned, slot) * goldenRatio) % 1;
  for (let back = 1; back <= Math.min(22, hours); back += 1) {
    const hour = (early + 24 - back) % 24;
    if (hour === late) continue;
    const index = slot * 24 + hour;
    page.offsets[index] = stepped(at(page.offsets, index), grains, threshold);
  }
};

const stepped = (offset: number, step: number, threshold: number): number =>
  Math.max(-32_000, Math.min(32_000, Math.floor(offset + step + threshold)));

const collectFirst = (page: KeyPage, slot: number, ms: number): void => {
  const learned = at(page.learned, slot);
  const first = new Float32Array(page.offsets.buffer, slot * 48, readyAfter);
  first[learned] = ms;
  const sorted = first.slice(0, learned + 1).sort();
  const middle = middleOf(sorted, 0, sorted.length);
  page.level[slot] = middle;
  if (learned + 1 < readyAfter) return;
  const deviations = sorted.map((value) => Math.abs(value - middle)).sort();
  page.scale[slot] = 1.4826 * middleOf(deviations, 0, deviations.length);
  page.offsets.fill(0, slot * 24, slot * 24 + 24);
};
