/**
 * The E-model (ITU-T G.107, 06/2015) with its default values but for delay and loss, for G.711 with
 * packet loss concealment (ITU-T G.113 Appendix I). Pure.
 */

/**
 * What the default values of G.107 table 3 give for everything that neither delay nor loss changes:
 * the sum of noise No (eq. 7-3, dBm0p), the basic signal-to-noise ratio Ro (7-2), the simultaneous
 * impairments Is (7-8).
 */
const noiseDbm0p = -61.1792;
const basicRating = 94.7688;
const simultaneousImpairment = 1.4136;

/** More of G.107 table 3: receive loudness, talker echo loudness, weighted echo path loss. */
const receiveLoudnessDb = 2;
const talkerEchoLoudnessDb = 65;
const echoPathLossDb = 110;

/** G.711 with PLC: equipment impairment, and robustness against loss in percent (G.113 table I.4). */
const equipmentImpairment = 0;
const lossRobustness = 25.1;

export type CallConditions = {
  /** Mouth to ear, one way. */
  delayMs: number;
  /** Lost or too late, 0..1. */
  lossRatio: number;
  /** How much longer bursts of loss are than by chance (G.107 section 7.5); 1: no longer. */
  burstRatio: number;
};

/** The transmission rating R (G.107 eq. 7-1). */
export const ratingOf = ({ delayMs, lossRatio, burstRatio }: CallConditions): number =>
  basicRating -
  simultaneousImpairment -
  delayImpairment(delayMs) -
  lossImpairment(lossRatio * 100, Math.max(1, burstRatio));

/** G.107 Annex B. Below R = 6.5 its polynomial dips under the worst score there is. */
export const mosOf = (rating: number): number => {
  if (rating <= 0) return 1;
  if (rating >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
};

/** Ie,eff (eq. 7-29). */
const lossImpairment = (lossPercent: number, burstRatio: number): number =>
  equipmentImpairment +
  ((95 - equipmentImpairment) * lossPercent) / (lossPercent / burstRatio + lossRobustness);

/** Id = Idte + Idle + Idd (eq. 7-19): echo to the talker, echo to the listener, delay as such. */
const delayImpairment = (delayMs: number): number =>
  talkerEcho(delayMs) + listenerEcho(2 * delayMs) + tooLong(delayMs);

/** Eq. 7-20 to 7-23. */
const talkerEcho = (delayMs: number): number => {
  const loudness =
    talkerEchoLoudnessDb -
    40 * Math.log10((1 + delayMs / 10) / (1 + delayMs / 150)) +
    6 * Math.exp(-0.3 * delayMs ** 2);
  const echo = 80 + 2.5 * (loudness - 14);
  const half = (-1.5 * (noiseDbm0p - receiveLoudnessDb) - echo) / 2;
  return (half + Math.sqrt(half ** 2 + 100) - 1) * (1 - Math.exp(-delayMs));
};

/** Eq. 7-25 and 7-26. */
const listenerEcho = (roundTripMs: number): number => {
  const echo = 10.5 * (echoPathLossDb + 7) * (roundTripMs + 1) ** -0.25;
  const half = (basicRating - echo) / 2;
  return half + Math.sqrt(half ** 2 + 169);
};

/** Eq. 7-27 and 7-28: even without echo, from 100 ms on. */
const tooLong = (delayMs: number): number => {
  if (delayMs <= 100) return 0;
  const x = Math.log2(delayMs / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
};
