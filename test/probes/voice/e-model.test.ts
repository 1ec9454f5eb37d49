import { describe, expect, it } from 'vitest';
import { mosOf, ratingOf } from '#probes/voice/e-model.ts';

const rating = (changes: Partial<Parameters<typeof ratingOf>[0]>): number =>
  ratingOf({ delayMs: 0, lossRatio: 0, burstRatio: 1, ...changes });

describe('the E-model', () => {
  it('gives 93.2 and a score of 4.41 for its default values (ITU-T G.107)', () => {
    expect(rating({})).toBeCloseTo(93.2, 1);
    expect(mosOf(93.2)).toBeCloseTo(4.41, 2);
  });

  /** ITU-T G.107 Annex B, table B.1 (and G.109's classes of quality). */
  it.each([
    [90, 4.34],
    [80, 4.03],
    [70, 3.6],
    [60, 3.1],
    [50, 2.58],
  ])('turns a rating of %d into the published score of %d', (from, score) => {
    expect(Math.abs(mosOf(from) - score)).toBeLessThan(0.0101);
  });

  it('keeps scores between 1 and 4.5', () => {
    for (let from = -20; from <= 120; from += 0.5) {
      expect(mosOf(from)).toBeGreaterThanOrEqual(1);
      expect(mosOf(from)).toBeLessThanOrEqual(4.5);
    }
  });

  /** Ie,eff = 95 · Ppl / (Ppl + 25.1): G.107 eq. 7-29 with G.113's values for G.711 with PLC. */
  it.each([
    [0.01, 3.64],
    [0.05, 15.78],
    [0.1, 27.07],
  ])('takes off for a loss of %d what G.113 says: %d', (lossRatio, impairment) => {
    expect(rating({}) - rating({ lossRatio })).toBeCloseTo(impairment, 2);
  });

  it('takes off more for the same loss in bursts', () => {
    const random = rating({ lossRatio: 0.05 });
    expect(rating({ lossRatio: 0.05, burstRatio: 2 })).toBeLessThan(random);
    expect(rating({ lossRatio: 0.05, burstRatio: 0.5 })).toBe(random);
  });

  /**
   * G.107 against the short form in general use, Id = 0.024 d + 0.11 (d - 177.3) for d > 177.3
   * (Cole and Rosenbluth 2001), which its authors fitted to it up to 400 ms.
   */
  it.each([50, 100, 150, 200, 250, 300, 400])('agrees with its short form at %d ms', (delayMs) => {
    const short = 93.2 - 0.024 * delayMs - 0.11 * Math.max(0, delayMs - 177.3);
    expect(Math.abs(rating({ delayMs }) - short)).toBeLessThan(3.5);
  });

  it('never rates a longer delay or a greater loss better', () => {
    // Below 10 ms G.107's echo terms are not quite in order: by 0.06 of R.
    for (let delayMs = 10; delayMs < 1_000; delayMs += 1) {
      expect(rating({ delayMs })).toBeLessThanOrEqual(rating({ delayMs: delayMs - 1 }) + 1e-9);
    }
    for (let percent = 1; percent <= 100; percent += 1) {
      const before = rating({ lossRatio: (percent - 1) / 100 });
      expect(rating({ lossRatio: percent / 100 })).toBeLessThan(before);
    }
  });
});
