import { TunnelDown } from '../tunnel/refused.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';

/** As long as browsers leave a failed proxy alone at least (Chromium: 30 s, then longer). */
const setAsideMs = 30_000;

/**
 * Opens by the edges a PAC file prefers, the first that works. One that is up and carries nothing all
 * the same is set aside for a while, for connections and datagrams alike; when none is left, the edge
 * in use has it.
 */
export const createPreferEdges = (
  tunnel: Pick<Tunnel, 'connect' | 'withSession' | 'status'>,
  now: () => number = () => performance.now(),
): Pick<Tunnel, 'connect' | 'withSession'> => {
  const asideUntilMs = new Map<string, number>();
  const isUp = (id: string) => tunnel.status().edges.some((edge) => edge.id === id && edge.isUp);

  const byPreference = async <Opened>(
    prefer: readonly string[],
    signal: AbortSignal,
    attempt: (rest: readonly string[]) => Promise<Opened>,
  ): Promise<Opened> => {
    for (;;) {
      const rest = prefer.filter((id) => (asideUntilMs.get(id) ?? 0) <= now());
      if (rest.length === 0) return attempt([]);
      const first = rest.find(isUp);
      try {
        return await attempt(rest);
      } catch (error) {
        const isOver = signal.aborted || first === undefined;
        if (isOver || !(error instanceof TunnelDown) || error.timedOut) throw error;
        asideUntilMs.set(first, now() + setAsideMs);
      }
    }
  };

  return {
    connect: ({ prefer = [], ...destination }) =>
      byPreference(prefer, destination.signal, (rest) =>
        tunnel.connect({ ...destination, prefer: rest }),
      ),
    withSession: (open, signal, prefer = []) =>
      byPreference(prefer, signal, (rest) => tunnel.withSession(open, signal, rest)),
  };
};
