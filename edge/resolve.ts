import { promises as dns } from 'node:dns';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { normalHost } from '#contract/host-pattern.ts';

/** Addresses in the order to try; `dnsMs` null when nobody was asked. */
export type Resolved =
  | { ok: true; addresses: string[]; dnsMs: number | null }
  | { ok: false; timedOut: boolean; message: string; dnsMs: number };

export type Resolve = (host: string) => Promise<Resolved>;

/**
 * Name resolution at the edge: literals, then the hosts file, then DNS (A and AAAA side by side).
 * c-ares rather than getaddrinfo: it has time limits and takes no thread from the pool.
 */
export const createResolve = (options: {
  /** `address` or `address:port`; absent: the system's. */
  servers?: readonly string[];
  hostsFile?: string;
  now?: () => number;
}): Resolve => {
  const now = options.now ?? (() => performance.now());
  const resolver = new dns.Resolver({ timeout: 2_000, tries: 2 });
  if (options.servers) resolver.setServers([...options.servers]);
  const hostsFile = createHostsFile(options.hostsFile ?? '/etc/hosts', now);

  return async (host) => {
    const name = normalHost(host);
    if (isIP(name) !== 0) return { ok: true, addresses: [name], dnsMs: null };
    const known = await hostsFile(name);
    if (known) return { ok: true, addresses: known, dnsMs: null };
    const startedMs = now();
    const [six, four] = await Promise.allSettled([
      resolver.resolve6(name),
      resolver.resolve4(name),
    ]);
    const dnsMs = now() - startedMs;
    const addresses = interleave(
      six.status === 'fulfilled' ? six.value : [],
      four.status === 'fulfilled' ? four.value : [],
    );
    if (addresses.length > 0) return { ok: true, addresses, dnsMs };
    const codes = [six, four].map((answer) =>
      answer.status === 'rejected' ? String(answer.reason.code) : 'ENODATA',
    );
    return {
      ok: false,
      timedOut: codes.every((code) => code === 'ETIMEOUT'),
      message: `${name}: ${codes.find((code) => code !== 'ENODATA') ?? 'ENODATA'}`,
      dnsMs,
    };
  };
};

/** RFC 8305 section 4: families take turns, IPv6 first. */
const interleave = (six: readonly string[], four: readonly string[]): string[] => {
  const mixed: string[] = [];
  for (let i = 0; i < Math.max(six.length, four.length); i++) {
    mixed.push(...six.slice(i, i + 1), ...four.slice(i, i + 1));
  }
  return mixed;
};

/** The hosts file, read again when it has changed (looked at most once a second). */
const createHostsFile = (path: string, now: () => number) => {
  let names = new Map<string, string[]>();
  let changedMs = -1;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return async (name: string): Promise<string[] | undefined> => {
    if (now() - lookedAtMs > 1_000) {
      lookedAtMs = now();
      try {
        const { mtimeMs } = await stat(path);
        if (mtimeMs !== changedMs) names = parseHosts(await readFile(path, 'utf8'));
        changedMs = mtimeMs;
      } catch {
        names = new Map();
      }
    }
    // RFC 6761 section 6.3: localhost names never leave the machine.
    const isLocal = name === 'localhost' || name.endsWith('.localhost');
    return names.get(name) ?? (isLocal ? ['127.0.0.1', '::1'] : undefined);
  };
};

export const parseHosts = (text: string): Map<string, string[]> => {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const host of hosts) {
      const name = normalHost(host);
      names.set(name, [...(names.get(name) ?? []), address]);
    }
  }
  return names;
};
