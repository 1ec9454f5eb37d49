import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { createNameResolver } from '#probes/resolve.ts';
import { Stop } from '#probes/stop-signal.ts';

/** What a name server answered for a name that does not exist. */
export type Hijack = { zone: string; addresses: readonly string[] };

/** A resolver that lies answers at once; one that is slow is not lying. */
const timeoutMs = 2_000;

/**
 * Asks for names that cannot exist: some networks' name servers answer for them with an address of
 * their own. One below `.invalid`, which a resolver answers in the negative by itself (RFC 6761
 * §6.4), and one below our own collector's name, as some keep their lies for names that could be:
 * no wildcard above it reaches there (RFC 4592 §3.3.1), and nobody else is asked.
 */
export const findHijack = async (
  collectorUrl: string,
  options: { nameServers?: readonly string[] } = {},
): Promise<Hijack | null> => {
  const servers = options.nameServers === undefined ? {} : { servers: options.nameServers };
  const stop = new Stop();
  const timer = setTimeout(() => stop.give(), timeoutMs);
  try {
    const found = await Promise.all(
      zonesFor(collectorUrl).map(async (zone): Promise<Hijack | null> => {
        const answer = await createNameResolver(servers).resolve(`${randomLabel()}.${zone}`, stop);
        if (!answer.ok) return null;
        return { zone, addresses: answer.addresses.map(({ address }) => address) };
      }),
    );
    return found.find((one) => one !== null) ?? null;
  } finally {
    clearTimeout(timer);
    // What is still asked for the other family would keep its socket open.
    stop.give();
  }
};

const zonesFor = (collectorUrl: string): string[] => {
  const host = URL.canParse(collectorUrl) ? new URL(collectorUrl).hostname : '';
  const isName = isIP(host.replace(/^\[|\]$/g, '')) === 0 && host.includes('.');
  return isName && !host.endsWith('.localhost') ? ['invalid', host] : ['invalid'];
};

/** 80 bits: nobody has registered it, and no cache has it. */
const randomLabel = (): string => `whyslow-${randomBytes(10).toString('hex')}`;
