import type { LossCount } from './bin-view.ts';
import { type AnyArray, at, type ColumnSpec, createColumns, slotOf } from './columns.ts';

/** Six stretches of a ring: half an hour of five-minute bins. */
const stretches = 6;

const lossColumns = {
  sent: ['u16', stretches],
  lost: ['u16', stretches],
  /** Stretch and bin of the newest count. */
  stretch: 'u32',
  bin: 'u32',
  /** Share lost by experience; and counts it rests on. */
  normal: 'f32',
  learned: 'u16',
} as const satisfies ColumnSpec;

export type Losses = ReturnType<typeof createLosses>;

/** Packets sent and lost over the last stretches, and how many are lost normally. Row 0 is nobody's. */
export const createLosses = (binMs: number, saved?: Record<string, AnyArray>) => {
  const rows = createColumns(lossColumns, saved);
  if (rows.count === 0) rows.add();
  const binsAStretch = stretchBins(binMs);
  const rate = 1 - (1 - 0.01) ** (binMs / 300_000);

  /** Counts of this bin, once a bin. */
  const count = (row: number, sent: number, lost: number, bin: number): void => {
    const page = rows.page(row);
    const slot = slotOf(row);
    const stretch = Math.floor(bin / binsAStretch);
    forget(page, slot, stretch);
    const place = slot * stretches + (stretch % stretches);
    page.sent[place] = Math.min(65_535, at(page.sent, place) + sent);
    page.lost[place] = Math.min(65_535, at(page.lost, place) + lost);
    page.bin[slot] = bin;
  };

  const forget = (page: ReturnType<typeof rows.page>, slot: number, stretch: number): void => {
    const since = Math.min(stretches, stretch - at(page.stretch, slot));
    for (let back = 0; back < since; back += 1) {
      const place = slot * stretches + ((stretch - back) % stretches);
      page.sent[place] = 0;
      page.lost[place] = 0;
    }
    if (since > 0) page.stretch[slot] = stretch;
  };

  const learn = (row: number, sent: number, lost: number): void => {
    if (sent === 0) return;
    const page = rows.page(row);
    const slot = slotOf(row);
    const learned = at(page.learned, slot);
    const normal = at(page.normal, slot);
    const step = Math.max(rate, 1 / (learned + 2));
    page.normal[slot] = normal + step * (lost / sent - normal);
    page.learned[slot] = Math.min(65_535, learned + 1);
  };

  /** Null: nothing was sent in the window. */
  const read = (row: number, bin: number): LossCount | null => {
    if (row === 0) return null;
    const page = rows.page(row);
    const slot = slotOf(row);
    const stretch = Math.floor(bin / binsAStretch);
    const behind = stretch - at(page.stretch, slot);
    let [sent, lost, recentLost, recentSent] = [0, 0, 0, 0];
    for (let back = behind; back < stretches; back += 1) {
      const place = slot * stretches + ((stretch - back) % stretches);
      sent += at(page.sent, place);
      lost += at(page.lost, place);
      if (back * binsAStretch >= recentBins) continue;
      recentSent += at(page.sent, place);
      recentLost += at(page.lost, place);
    }
    return sent === 0
      ? null
      : { sent, lost, recentLost, recentSent, normalRatio: at(page.normal, slot) };
  };

  return { rows, count, learn, read };
};
const recentBins = 3;

/** Shorter bins hold fewer packets: several share a stretch, in the lab (below 30 s) at least 10 s. */
const stretchBins = (binMs: number): number =>
  binMs >= 30_000
    ? Math.max(1, Math.min(5, Math.round(300_000 / binMs)))
    : Math.max(1, Math.ceil(10_000 / binMs));
