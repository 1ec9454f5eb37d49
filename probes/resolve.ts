import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { dnsSources } from '#contract/result.ts';
import { sinceMs } from './duration.ts';

export type Address = { address: string; family: 4 | 6 };
export type DnsSource = (typeof dnsSources)[number];

/**
 * The addresses to begin with, and those of the other family if they are still on their way.
 * `dnsMs` is null where no name server was asked (a literal, the hosts file).
 */
type Resolution =
  | {
      ok: true;
      addresses: Address[];
      later: Promise<Address[]>;
      dnsMs: number | null;
      source: DnsSource;
    }
  | { ok: false; error: unknown; dnsMs: number; source: DnsSource };

export type NameResolver = { resolve(host: string, signal: AbortSignal): Promise<Resolution> };

export type NameResolverOptions = {
  /** `address` or `address:port`; left out: the system's, read anew (they change with the network). */
  servers?: readonly string[];
  hostsFile?: string;
};

/**
 * Asks the name servers itself, because `getaddrinfo` shares libuv's four threads and answers from
 * caches of the system: its times say little. Remembers its answers for as long as it lives, which
 * should be one run; what it remembered is `warm`. A `cold` answer was asked for over the network,
 * though the name server may have had it at hand. Search domains are not applied.
 */
export const createNameResolver = (options: NameResolverOptions = {}): NameResolver => {
  const known = new Map<string, Address[]>();
  return {
    async resolve(host, signal) {
      const startedMs = performance.now();
      const name = host
        .replace(/^\[|\]$/g, '')
        .replace(/\.$/, '')
        .toLowerCase();
      const local = withoutAsking(name, options.hostsFile ?? systemHostsFile);
      if (local) return { ok: true, ...local, later: nothing, dnsMs: null };
      const warm = known.get(name);
      if (warm) {
        const dnsMs = sinceMs(startedMs);
        return { ok: true, addresses: warm, later: nothing, dnsMs, source: 'warm' };
      }
      const answer = await ask(name, options.servers, signal);
      const dnsMs = sinceMs(startedMs);
      if (!answer.ok) return { ok: false, error: answer.error, dnsMs, source: 'cold' };
      known.set(name, answer.addresses);
      const later = answer.later.then((more) => {
        known.set(name, [...answer.addresses, ...more]);
        return more;
      });
      return { ok: true, addresses: answer.addresses, later, dnsMs, source: 'cold' };
    },
  };
};

const nothing: Promise<Address[]> = Promise.resolve([]);

/** A first try of 2 s, as c-ares has it; glibc waits 5. */
export const resolverTimers = { timeout: 2_000, tries: 3 } as const;

/** RFC 8305 §3: how long an IPv4 answer waits for the IPv6 one, which is preferred. */
const resolutionDelayMs = 50;

type Answer =
  | { ok: true; addresses: Address[]; later: Promise<Address[]> }
  | { ok: false; error: unknown };

/** Both families at once; goes on as soon as there is something to connect to (RFC 8305 §3). */
const ask = async (
  name: string,
  servers: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Answer> => {
  const resolver = new Resolver(resolverTimers);
  const errors: unknown[] = [];
  const collect = (family: 4 | 6, found: Promise<string[]>): Promise<Address[]> =>
    found.then(
      (addresses) => addresses.map((address) => ({ address, family })),
      (error: unknown) => {
        errors.push(error);
        return [];
      },
    );

  if (servers !== undefined) resolver.setServers(servers);
  const six = collect(6, resolver.resolve6(name));
  const four = collect(4, resolver.resolve4(name));
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  let all: Address[] | undefined;
  const both = Promise.all([six, four]).then((lists) => {
    signal.removeEventListener('abort', cancel);
    all = lists.flat();
    return all;
  });

  const first = await Promise.race([six, four.then(delayed)]);
  if (first.length > 0 && all === undefined) {
    const family = first[0]?.family;
    const later = both.then((found) => found.filter((one) => one.family !== family));
    return { ok: true, addresses: first, later };
  }
  const found = await both;
  return found.length > 0
    ? { ok: true, addresses: found, later: nothing }
    : { ok: false, error: tellingError(errors) };
};

const delayed = (addresses: Address[]): Promise<Address[]> =>
  new Promise((resolve) => setTimeout(resolve, resolutionDelayMs, addresses));

/** "Has no AAAA record" says nothing when the A query timed out. */
const tellingError = (errors: readonly unknown[]): unknown =>
  errors.find((error) => (error as { code?: unknown }).code !== 'ENODATA') ?? errors[0];

const systemHostsFile =
  process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';

const withoutAsking = (
  name: string,
  hostsFile: string,
): { addresses: Address[]; source: DnsSource } | undefined => {
  const family = isIP(name);
  if (family === 4 || family === 6)
    return { addresses: [{ address: name, family }], source: 'literal' };
  const listed = readHosts(hostsFile, name);
  if (listed.length > 0) return { addresses: listed, source: 'hosts-file' };
  // RFC 6761 §6.3: localhost names are loopback and are never asked for.
  if (name !== 'localhost' && !name.endsWith('.localhost')) return undefined;
  return { addresses: loopback, source: 'hosts-file' };
};

const loopback: Address[] = [
  { address: '::1', family: 6 },
  { address: '127.0.0.1', family: 4 },
];

const readHosts = (path: string, name: string): Address[] => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  // Block lists make this file megabytes long: look before taking it apart.
  if (!text.toLowerCase().includes(name)) return [];
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    const listed = names.some((listedName) => listedName.toLowerCase() === name);
    return listed && (family === 4 || family === 6) ? [{ address, family }] : [];
  });
};
