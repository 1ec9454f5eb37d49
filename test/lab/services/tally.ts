import type { Requests } from './control.ts';

const mostTargets = 500;

/** Counts what arrives at one service. */
export const createTally = () => {
  const counts: Requests = {
    connections: 0,
    count: 0,
    byTarget: {},
    byAnswer: {},
    bySource: {},
    byProtocol: {},
  };
  return {
    connection(): void {
      counts.connections += 1;
    },
    request(seen: { target: string; source: string | undefined; protocol: string }): void {
      counts.count += 1;
      const isFull = Object.keys(counts.byTarget).length >= mostTargets;
      const isNew = counts.byTarget[seen.target] === undefined;
      increase(counts.byTarget, isNew && isFull ? 'other' : seen.target);
      // A socket for both families shows IPv4 peers in the mapped form (RFC 4291 §2.5.5.2).
      increase(counts.bySource, (seen.source ?? 'unknown').replace(/^::ffff:/, ''));
      increase(counts.byProtocol, seen.protocol);
    },
    answer(code: string | number): void {
      increase(counts.byAnswer, String(code));
    },
    counts: (): Requests => counts,
  };
};

export type Tally = ReturnType<typeof createTally>;

const increase = (by: Record<string, number>, key: string): void => {
  by[key] = (by[key] ?? 0) + 1;
};
