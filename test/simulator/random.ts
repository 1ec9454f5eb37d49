/** Numbers that look random and are a function of the seed and the stage they are drawn for. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** Each stage of a world has its own stream, so that a change in one does not move the others. */
  constructor(seed: number, stage: string) {
    const start = hash32(`${seed}/${stage}`);
    this.#a = start;
    this.#b = Math.imul(start, 0x9e3779b9) ^ 0x243f6a88;
    this.#c = Math.imul(start, 0x85ebca6b) ^ 0x13198a2e;
    this.#d = 1;
    for (let i = 0; i < 16; i++) this.bits();
  }

  /** sfc32 (Doty-Humphrey): 32 bits. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.bits() / 4_294_967_296;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  logBetween(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)));
  }

  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  chance(ratio: number): boolean {
    return ratio > 0 && this.unit() < ratio;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Mean 0, deviation 1, cut at 4.3. */
  normal(): number {
    return normals[this.bits() >>> 16] as number;
  }

  exponential(mean: number): number {
    return mean * (exponentials[this.bits() >>> 16] as number);
  }

  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal());
  }

  pareto(scale: number, alpha: number, most: number): number {
    return Math.min(most, scale * (1 - this.unit()) ** (-1 / alpha));
  }
}

/** FNV-1a with a last mixing (murmur3), so that strings that differ in their end differ in all bits. */
export const hash32 = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix32(hash);
};

/** One draw that depends on nothing but its two keys: what may be asked out of order. */
export const unitOf = (a: number, b: number): number =>
  mix32(Math.imul(a, 0x9e3779b9) ^ mix32(b + 0x7f4a7c15)) / 4_294_967_296;

const mix32 = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
};

const tableSize = 65_536;

const quantiles = (of: (p: number) => number): Float64Array =>
  Float64Array.from({ length: tableSize }, (_, i) => of((i + 0.5) / tableSize));

/** Acklam's approximation of the inverse normal distribution, relative error 1.15e-9. */
const inverseNormal = (p: number): number => {
  if (p > 0.5) return -inverseNormal(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const above =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q -
        2.549732539343734) *
        q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const under =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q +
        3.754408661907416) *
        q +
      1;
    return above / under;
  }
  const q = p - 0.5;
  const r = q * q;
  const above =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r +
      138.357751867269) *
      r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const under =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r +
      66.80131188771972) *
      r -
      13.28068155288572) *
      r +
    1;
  return above / under;
};

const normals = quantiles(inverseNormal);
const exponentials = quantiles((p) => -Math.log(1 - p));
