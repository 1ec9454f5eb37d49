import type { Result } from '#contract/result.ts';

/** So many flows without a second way: with two ways one of them would be missed once in 32 times. */
const flowsForProof = 6;
/** Ways change; what is not traced again is known no longer. */
const knownForMs = 3_600_000;

/**
 * Whether what is measured outside the tunnel takes the tunnel's own way. Its packets have another
 * 5-tuple, so that is so only where there is one way: no router between, or traces with several flows
 * that all went the same. Where several ways were seen it is not so; null: not known.
 */
export const createSameFlow = (
  edge: () => { id: string; host: string; port: number } | null,
  now: () => number = () => performance.now(),
) => {
  let known: { edgeId: string; isSame: boolean | null; atMs: number } | undefined;
  return {
    note(result: Result): void {
      const inUse = edge();
      if (result.type !== 'path' || inUse === null || result.body.target !== inUse.host) return;
      const isSame = isOnlyWay(result.body);
      // One flow says nothing about others; what several said stands for a while.
      if (isSame === null && known?.edgeId === inUse.id) return;
      known = { edgeId: inUse.id, isSame, atMs: now() };
    },
    current(): boolean | null {
      if (known === undefined || known.edgeId !== edge()?.id) return null;
      return now() - known.atMs > knownForMs ? null : known.isSame;
    },
  };
};

const isOnlyWay = (body: Extract<Result, { type: 'path' }>['body']): boolean | null => {
  if (body.hops.some(({ branches = [] }) => branches.length > 1)) return false;
  if (!body.reached) return null;
  if (body.hops.length <= 1) return true;
  return (body.flowCount ?? 1) >= flowsForProof ? true : null;
};
