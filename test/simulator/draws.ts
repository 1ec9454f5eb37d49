import type { Random } from './random.ts';

/** Share of names that are in a cache (§16.1). */
export const cachedNameRatio = 0.65;

export const isHit = (random: Random): boolean => random.unit() < cachedNameRatio;
