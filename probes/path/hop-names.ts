import { Resolver } from 'node:dns/promises';

/** Addresses whose names are remembered, and for how long. */
const remembered = 2_000;
const keptMs = 3_600_000;
/** All names of a path together: a resolver that is slow must not make the run late. */
const mostMs = 800;

export type HopNames = {
  /** Names as the name servers have them (PTR); null where there is none, or none in time. */
  of(addresses: readonly string[], signal: AbortSignal): Promise<Map<string, string | null>>;
};

/** `servers`: the system's if left out. */
export const createHopNames = ({ servers }: { servers?: readonly string[] } = {}): HopNames => {
  const known = new Map<string, { name: string | null; atMs: number }>();

  const remember = (address: string, name: string | null) => {
    known.delete(address);
    known.set(address, { name, atMs: performance.now() });
    const [oldest] = known.keys();
    if (known.size > remembered && oldest !== undefined) known.delete(oldest);
  };

  const ask = async (resolver: Resolver, address: string): Promise<void> => {
    try {
      const [name] = await resolver.reverse(address.split('%')[0] ?? address);
      remember(address, name?.slice(0, 253) ?? null);
    } catch (error) {
      const { code } = error as { code?: string };
      // Only what was answered is known; who did not answer may do so next time.
      if (code === 'ENOTFOUND' || code === 'ENODATA') remember(address, null);
    }
  };

  return {
    async of(addresses, signal) {
      const nowMs = performance.now();
      const missing = [...new Set(addresses)].filter(
        (address) => nowMs - (known.get(address)?.atMs ?? Number.NEGATIVE_INFINITY) > keptMs,
      );
      if (missing.length > 0 && !signal.aborted) {
        const resolver = new Resolver({ timeout: mostMs, tries: 1 });
        if (servers !== undefined) resolver.setServers(servers);
        const cancel = () => resolver.cancel();
        const timer = setTimeout(cancel, mostMs);
        signal.addEventListener('abort', cancel, { once: true });
        await Promise.all(missing.map((address) => ask(resolver, address)));
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
      }
      return new Map(addresses.map((address) => [address, known.get(address)?.name ?? null]));
    },
  };
};
