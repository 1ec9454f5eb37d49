import type { LossCount } from './bin-view.ts';
import { type AnyArray, at, type ColumnSpec, createColumns, slotOf } from './columns.ts';

/** Six stretches of a ring: half an hour of five-minute bins. */
const stretches = 6;

export const lossColumns = {
  sent: ['u16', stretches],
  lost: ['u16', stretches],
  /** Stretch and bin of the newest count. */
  stretch: 'u32',
  bin: 'u32',
  /** Share lost by experience; and counts it rests on. */
  normal: 'f32',
  learned: 'u16',
  /** Of a sort of which only shares are told: packets of one measurement, as far as known. */
  packets: 'u8',
} as const satisfies ColumnSpec;

export type Losses = ReturnType<typeof createLosses>;

/** Packets sent and lost over the last stretches, and how many are lost normally. Row 0 is nobody's. */
export const createLosses = (binMs: number, saved?: Record<string, AnyArray>) => {
  const rows = createColumns(lossColumns, saved);
  if (rows.count === 0) rows.add();
  /** Of this bin, by row: what is to be learned. */
  const left: Record<'sent' | 'lost', Uint32Array> = {
    sent: new Uint32Array(),
    lost: new Uint32Array(),
  };
  const binsAStretch = stretchBins(binMs);
  const rate = 1 - (1 - 0.01) ** ((binMs * binsAStretch) / 300_000);

  /** Counts of this bin, once a bin. */
  const count = (row: number, sent: number, lost: number, bin: number): void => {
    const page = rows.page(row);
    const slot = slotOf(row);
    const stretch = Math.floor(bin / binsAStretch);
    const before = sumOf(page, slot);
    forget(page, slot, stretch);
    const after = sumOf(page, slot);
    if (row >= left.sent.length) {
      left.sent = longer(left.sent, rows.count);
      left.lost = longer(left.lost, rows.count);
    }
    left.sent[row] = losesMuch(before, at(page.normal, slot)) ? 0 : before.sent - after.sent;
    left.lost[row] = before.lost - after.lost;
    if (at(page.learned, slot) < stretches) {
      left.sent[row] = sent;
      left.lost[row] = lost;
    }
    const place = slot * stretches + (stretch % stretches);
    page.sent[place] = Math.min(65_535, (page.sent[place] as number) + sent);
    page.lost[place] = Math.min(65_535, (page.lost[place] as number) + lost);
    page.bin[slot] = bin;
  };

  const forget = (page: ReturnType<typeof rows.page>, slot: number, stretch: number): void => {
    const since = Math.min(stretches, stretch - (page.stretch[slot] as number));
    for (let back = 0; back < since; back += 1) {
      const place = slot * stretches + ((stretch - back) % stretches);
      page.sent[place] = 0;
      page.lost[place] = 0;
    }
    if (since > 0) page.stretch[slot] = stretch;
  };

  const sumOf = (page: ReturnType<typeof rows.page>, slot: number) => {
    const sums = { sent: 0, lost: 0 };
    for (let place = slot * stretches; place < (slot + 1) * stretches; place += 1) {
      sums.sent += page.sent[place] as number;
      sums.lost += page.lost[place] as number;
    }
    return sums;
  };

  /** What has left the window without a doubt is normal: what is lost now may be a fault that begins. */
  const learn = (row: number): void => {
    const [sent = 0, lost = 0] = [left.sent[row], left.lost[row]];
    if (sent === 0) return;
    const page = rows.page(row);
    const slot = slotOf(row);
    const learned = page.learned[slot] as number;
    const normal = page.normal[slot] as number;
    const step = Math.max(rate, 1 / (learned + 2));
    page.normal[slot] = normal + step * (lost / sent - normal);
    page.learned[slot] = Math.min(65_535, learned + 1);
  };

  /** A share that some were lost tells of how many packets it can be. */
  const learnPackets = (row: number, ratio: number): void => {
    if (ratio <= 0 || ratio >= 1) return;
    const { packets } = rows.page(row);
    const known = at(packets, slotOf(row));
    packets[slotOf(row)] = known === 0 ? leastSent(ratio) : commonMultiple(known, leastSent(ratio));
  };
  const packetsOf = (row: number): number => at(rows.page(row).packets, slotOf(row));

  /** Null: nothing was sent in the window. */
  const read = (row: number, bin: number): LossCount | null => {
    if (row === 0) return null;
    const page = rows.page(row);
    const slot = slotOf(row);
    const stretch = Math.floor(bin / binsAStretch);
    const behind = stretch - (page.stretch[slot] as number);
    let [sent, lost, recentLost, recentSent, newestSent, newestLost] = [0, 0, 0, 0, 0, 0];
    for (let back = behind; back < stretches; back += 1) {
      const place = slot * stretches + ((stretch - back) % stretches);
      sent += page.sent[place] as number;
      lost += page.lost[place] as number;
      if (back === 0) {
        newestSent = at(page.sent, place);
        newestLost = at(page.lost, place);
      }
      if (back * binsAStretch >= recentBins) continue;
      recentSent += page.sent[place] as number;
      recentLost += page.lost[place] as number;
    }
    if (sent === 0) return null;
    const normalRatio = at(page.normal, slot);
    return { sent, lost, recentLost, recentSent, newestSent, newestLost, normalRatio };
  };

  /** For another thing's packets. */
  const clear = (row: number): void => {
    const page = rows.page(row);
    const slot = slotOf(row);
    page.sent.fill(0, slot * stretches, (slot + 1) * stretches);
    page.lost.fill(0, slot * stretches, (slot + 1) * stretches);
    const { stretch, bin, normal, learned, packets } = page;
    for (const column of [stretch, bin, normal, learned, packets]) column[slot] = 0;
  };

  return { rows, count, learn, learnPackets, packetsOf, read, clear };
};
const recentBins = 3;

const longer = (counts: Uint32Array, least: number): Uint32Array => {
  const more = new Uint32Array(Math.max(least, Math.ceil(1.25 * counts.length)));
  more.set(counts);
  return more;
};

/** A measurement that tells a share has no more packets. */
const mostPackets = 100;

/** Whether so many packets can have lost this share, to three digits. */
export const canBeOf = (ratio: number, sent: number): boolean =>
  Math.abs(ratio * sent - Math.round(ratio * sent)) < 0.0006 * sent;

/** The smallest number that such a share can be of. */
const leastSent = (ratio: number): number => {
  for (let sent = 1; sent < mostPackets; sent += 1) {
    if (canBeOf(ratio, sent)) return sent;
  }
  return mostPackets;
};

const commonMultiple = (a: number, b: number): number => {
  for (let many = Math.max(a, b); many <= mostPackets; many += 1) {
    if (many % a === 0 && many % b === 0) return many;
  }
  return Math.max(a, b);
};

/** Three of 120 at random from one in a thousand: twice in ten thousand windows. */
export const losesMuch = (
  { sent, lost }: { sent: number; lost: number },
  normalRatio: number,
): boolean => lost >= 3 && lost / sent > 0.015 + 2 * normalRatio;

/** Shorter bins hold fewer packets: several share a stretch, in the lab (below 30 s) at least 10 s. */
const stretchBins = (binMs: number): number =>
  binMs >= 30_000
    ? Math.max(1, Math.min(5, Math.round(300_000 / binMs)))
    : Math.max(1, Math.ceil(10_000 / binMs));
