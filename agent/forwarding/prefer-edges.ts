import { TunnelDown } from '../tunnel/refused.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';

/** As long as browsers leave a failed proxy alone at least (Chromium: 30 s, then longer). */
const setAsideMs = 30_000;

/**
 * Connects by the edges a PAC file prefers, the first that works. One that is up and carries nothing all
 * the same is set aside for a while; when none is left, the edge in use has it.
 */
export const createPreferEdges = (
  tunnel: Pick<Tunnel, 'connect' | 'status'>,
  now: () => number = () => performance.now(),
): Tunnel['connect'] => {
  const asideUntilMs = new Map<string, number>();
  const isUp = (id: string) => tunnel.status().edges.some((edge) => edge.id === id && edge.isUp);

  return async ({ prefer = [], ...destination }) => {
    for (;;) {
      const rest = prefer.filter((id) => (asideUntilMs.get(id) ?? 0) <= now());
      if (rest.length === 0) return tunnel.connect(destination);
      const first = rest.find(isUp);
      try {
        return await tunnel.connect({ ...destination, prefer: rest });
      } catch (error) {
        const isOver = destination.signal.aborted || first === undefined;
        if (isOver || !(error instanceof TunnelDown) || error.timedOut) throw error;
        asideUntilMs.set(first, now() + setAsideMs);
      }
    }
  };
};
