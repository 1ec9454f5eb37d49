import { groupBy } from './group.ts';

type Run = {
  timeMs: number;
  fields: { ok: number | null; run_ms: number | null; burst_id: string | null };
};

/** Longer than a roaming Wi-Fi, a lost handshake or a garbage collection holds things up. */
const lookMs = 8_000;

/**
 * Runs of a burst are a second apart, and two slow ones in a row would be a verdict from one hiccup of
 * two seconds. So eight seconds of them are one look, told by its middle run: a fault has to fill most
 * of it, and one good run within it does not end a fault either. Looks are counted back from the
 * newest run, and what is left of a burst at its beginning is none. Runs that take that long by
 * themselves are looks of their own. Others stay as they are.
 */
export const toLooks = <R extends Run>(runs: readonly R[]): R[] => {
  const ofBursts = runs.filter(({ fields }) => fields.burst_id !== null);
  if (ofBursts.length === 0) return [...runs];
  const kept = new Set<R>(runs.filter(({ fields }) => fields.burst_id === null));
  for (const burst of groupBy(ofBursts, ({ fields }) => fields.burst_id ?? '').values()) {
    for (const look of split(burst)) kept.add(middleOf(look));
  }
  return runs.filter((run) => kept.has(run));
};

const split = <R extends Run>(burst: readonly R[]): R[][] => {
  const looks: R[][] = [];
  let look: R[] = [];
  let endMs: number | undefined;
  for (const run of burst.toReversed()) {
    endMs ??= run.timeMs + (run.fields.run_ms ?? 0);
    look.push(run);
    if (endMs - run.timeMs < lookMs) continue;
    looks.push(look);
    look = [];
    endMs = undefined;
  }
  return looks;
};

/** A failed run is slower than any; of two middle ones the better. */
const middleOf = <R extends Run>(look: readonly R[]): R => {
  const costMs = ({ fields }: R) =>
    fields.ok === 1 ? (fields.run_ms ?? Number.MAX_VALUE) : Number.MAX_VALUE;
  const sorted = [...look].sort((a, b) => costMs(a) - costMs(b) || a.timeMs - b.timeMs);
  return sorted[(sorted.length - 1) >> 1] as R;
};
