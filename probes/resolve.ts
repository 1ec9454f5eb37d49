import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { dnsSources, familyChoices } from '#contract/body/connection.ts';
import { sinceMs } from './duration.ts';
import type { StopSignal } from './stop-signal.ts';

export type Address = { address: string; family: 4 | 6 };
export type DnsSource = (typeof dnsSources)[number];
export type FamilyChoice = (typeof familyChoices)[number];

/**
 * The addresses to begin with, and those of the other family if they are still on their way.
 * `dnsMs` is null where no name server was asked (a literal, the hosts file).
 */
type Resolution =
  | {
      ok: true;
      addresses: Address[];
      /** `noMore` when it is known already that there are none. */
      later: Promise<Address[]>;
      dnsMs: number | null;
      source: DnsSource;
    }
  | { ok: false; error: unknown; dnsMs: number | null; source: DnsSource };

export type NameResolver = {
  resolve(host: string, signal: StopSignal, family?: FamilyChoice): Promise<Resolution>;
};

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
    async resolve(host, signal, choice = 'any') {
      const startedMs = performance.now();
      const name = host
        .replace(/^\[|\]$/g, '')
        .replace(/\.$/, '')
        .toLowerCase();
      const local = withoutAsking(name, options.hostsFile ?? systemHostsFile);
      if (local) return takeLocal(local, name, choice);
      const warm = known.get(`${choice} ${name}`);
      if (warm) {
        const dnsMs = sinceMs(startedMs);
        return { ok: true, addresses: warm, later: noMore, dnsMs, source: 'warm' };
      }
      const { dnsMs, ...answer } = await ask(name, options.servers, signal, choice);
      if (!answer.ok) return { ok: false, error: answer.error, dnsMs, source: 'cold' };
      const { addresses, later } = answer;
      const keep = (more: Address[]) => known.set(`${choice} ${name}`, [...addresses, ...more]);
      keep([]);
      if (later !== noMore) void later.then(keep);
      return { ok: true, addresses, later, dnsMs, source: 'cold' };
    },
  };
};

type Local = { addresses: Address[]; source: DnsSource };

const takeLocal = (
  { addresses, source }: Local,
  name: string,
  choice: FamilyChoice,
): Resolution => {
  const wanted = addresses.filter(({ family }) => allows(choice, family));
  return wanted.length > 0
    ? { ok: true, addresses: wanted, later: noMore, dnsMs: null, source }
    : { ok: false, error: noneOf(choice, name), dnsMs: null, source };
};

const allows = (choice: FamilyChoice, family: 4 | 6): boolean =>
  choice === 'any' || choice === (family === 4 ? 'ipv4' : 'ipv6');

const noneOf = (choice: FamilyChoice, name: string): Error =>
  Object.assign(new Error(`${name} has no ${choice === 'ipv4' ? 'IPv4' : 'IPv6'} address`), {
    code: 'ENODATA',
  });

/** Known at once, unlike other promises, by its identity. */
export const noMore: Promise<Address[]> = Promise.resolve([]);

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
  signal: StopSignal,
  choice: FamilyChoice,
): Promise<Answer & { dnsMs: number }> => {
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
  // From here on it is the network's time: reading files and making sockets is ours.
  const startedMs = performance.now();
  const six = choice === 'ipv4' ? noMore : collect(6, resolver.resolve6(name));
  const four = choice === 'ipv6' ? noMore : collect(4, resolver.resolve4(name));
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  let all: Address[] | undefined;
  const both = Promise.all([six, four]).then((lists) => {
    signal.removeEventListener('abort', cancel);
    all = lists.flat();
    return all;
  });

  const first = choice === 'any' ? await Promise.race([six, four.then(delayed)]) : await both;
  if (first.length > 0 && all === undefined) {
    const family = first[0]?.family;
    const dnsMs = sinceMs(startedMs);
    const later = both.then((found) => found.filter((one) => one.family !== family));
    return { ok: true, addresses: first, later, dnsMs };
  }
  const found = await both;
  const dnsMs = sinceMs(startedMs);
  return found.length > 0
    ? { ok: true, addresses: found, later: noMore, dnsMs }
    : { ok: false, error: tellingError(errors), dnsMs };
};

const delayed = (addresses: Address[]): Promise<Address[]> =>
  new Promise((resolve) => setTimeout(resolve, resolutionDelayMs, addresses));

/** "Has no AAAA record" says nothing when the A query timed out. */
const tellingError = (errors: readonly unknown[]): unknown =>
  errors.find((error) => (error as { code?: unknown }).code !== 'ENODATA') ?? errors[0];

const systemHostsFile =
  process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';

const withoutAsking = (name: string, hostsFile: string): Local | undefined => {
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
