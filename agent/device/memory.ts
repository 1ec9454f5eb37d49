import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

/** Memory that programs could not get, as a share; caches count as free where the system tells. */
export const readMemoryUsedRatio = (): number | null => {
  try {
    return parseMeminfo(readFileSync('/proc/meminfo', 'utf8'));
  } catch {
    return totalmem() === 0 ? null : 1 - freemem() / totalmem();
  }
};

/** proc(5) meminfo. */
export const parseMeminfo = (text: string): number | null => {
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  const total = read('MemTotal');
  const available = read('MemAvailable');
  if (Number.isNaN(total) || Number.isNaN(available) || total === 0) return null;
  return Math.min(1, Math.max(0, 1 - available / total));
};
