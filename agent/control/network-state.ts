import { Agent, get } from 'node:http';
import { isIP } from 'node:net';
import type { Log } from '#runtime/log.ts';
import { findHijack, type Hijack } from './dns-hijack.ts';
import { type LinkFacts, readLinks } from './links.ts';
import { askPortalApi, type PortalAnswer } from './portal-api.ts';

/** What is established about the network around the device; `unknown` when nothing is. */
export type NetworkState = 'ok' | 'captive-portal' | 'dns-hijacked' | 'down' | 'unknown';

export type NetworkFinding = {
  state: NetworkState;
  reason: string;
  at: number;
  /** What the name server gives for names that do not exist: whatever is there is no application. */
  hijackAddresses?: readonly string[];
  /** Where the user logs in, without what identifies them there; absent: not told. */
  portal?: string | null;
};

export type NetworkWatch = {
  /** The last finding. */
  current(): NetworkFinding;
  /** Looks again unless it just did; never rejects. */
  check(): Promise<NetworkFinding>;
  /** What was found is of another network: looks now. */
  checkAnew(): Promise<NetworkFinding>;
};

/** Runs that fail together share one look. */
const freshMs = 5_000;
const timeoutMs = 5_000;

/**
 * Asks the organisation's own collector for an empty answer over plain HTTP: whatever else comes back
 * was put there by somebody on the way. Asks nobody when no URL is configured.
 */
export const createNetworkWatch = (parts: {
  url: () => string | undefined;
  onChange: (finding: NetworkFinding) => void;
  log: Log;
  /** Left out: the system's. */
  nameServers?: readonly string[];
  links?: () => LinkFacts;
  /** What the system trusts, where it is not the system's own. */
  portalCa?: string;
}): NetworkWatch => {
  let current: NetworkFinding = { state: 'unknown', reason: 'not looked yet', at: 0 };
  let looking: Promise<NetworkFinding> | undefined;
  let lookedWith: string | undefined;

  const look = async (): Promise<NetworkFinding> => {
    const url = parts.url();
    lookedWith = url;
    const isAsked = url !== undefined && url !== '';
    const [answer, hijack] = await Promise.all([
      isAsked ? ask(url) : notConfigured,
      // A collector on this machine is a trial: nothing of it leaves the machine.
      isAsked && (parts.nameServers || !isLoopback(url)) ? findHijack(url, parts) : null,
    ]);
    const links = (parts.links ?? readLinks)();
    // The network's own word is asked for only where the collector's answer leaves it open.
    const said =
      'status' in answer && answer.status === 204 ? null : await askNetwork(links, parts.portalCa);
    const found = { ...withHijack(judge(answer, url, links, said), hijack), at: Date.now() };
    const isNews = found.state !== current.state;
    current = found;
    if (isNews) {
      parts.log.info({ component: 'network', ...found }, 'network state changed');
      parts.onChange(found);
    }
    return found;
  };

  const lookOnce = (): Promise<NetworkFinding> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  return {
    current: () => current,
    check: () => {
      // Whom to ask may have become known since.
      const isFresh = Date.now() - current.at < freshMs && lookedWith === parts.url();
      return isFresh ? Promise.resolve(current) : lookOnce();
    },
    // A look under way may have begun on the network before.
    checkAnew: () => (looking === undefined ? lookOnce() : looking.then(lookOnce)),
  };
};

const askNetwork = ({ portal }: LinkFacts, ca: string | undefined): Promise<PortalAnswer | null> =>
  portal === null ? Promise.resolve(null) : askPortalApi(portal, ca === undefined ? {} : { ca });

export type Answer = { status: number; location?: string | undefined } | { error: string };

const notConfigured: Answer = { error: 'no URL configured' };

/** Only what is proven: silence alone may be the collector's own. */
export const judge = (
  answer: Answer,
  url: string | undefined,
  links: LinkFacts,
  said: PortalAnswer | null = null,
): { state: NetworkState; reason: string; portal?: string | null } => {
  if (said?.isCaptive === true && !('status' in answer && answer.status === 204)) {
    const portal = said.url === null ? null : originOf(said.url);
    return { state: 'captive-portal', reason: 'the network says so itself (RFC 8908)', portal };
  }
  if ('status' in answer) {
    if (answer.status === 204) return { state: 'ok', reason: 'the collector answered' };
    const isPortal =
      answer.status === 200 ||
      answer.status === 511 ||
      (answer.status > 300 && answer.status < 309);
    if (!isPortal) return { state: 'unknown', reason: `${url} answered ${answer.status}` };
    const where = answer.location === undefined ? '' : `, sent to ${originOf(answer.location)}`;
    return {
      state: 'captive-portal',
      portal: answer.location === undefined ? null : urlOrigin(answer.location),
      reason: `expected 204 from ${url}, got ${answer.status}${where}${namedPortal(links)}`,
    };
  }
  if (isLoopback(url)) return { state: 'unknown', reason: answer.error };
  if (!links.hasAddress) {
    return { state: 'down', reason: `no interface has an address (${answer.error})` };
  }
  if (!links.hasCarrier) {
    const names = links.withoutCarrier.join(', ');
    return { state: 'down', reason: `no link on ${names} (${answer.error})` };
  }
  return { state: 'unknown', reason: `${answer.error}${namedPortal(links)}` };
};

/** A hint for a person and no proof: a network with a portal may have let this device through. */
const namedPortal = ({ portal }: LinkFacts): string =>
  portal === null ? '' : `; the network names its portal: ${originOf(portal)}`;

const withHijack = (
  found: Omit<NetworkFinding, 'at'>,
  hijack: Hijack | null,
): Omit<NetworkFinding, 'at'> => {
  if (hijack === null || (found.state !== 'ok' && found.state !== 'unknown')) return found;
  const { zone, addresses } = hijack;
  return {
    state: 'dns-hijacked',
    reason: `the name server answers for a name below ${zone} that does not exist`,
    hijackAddresses: addresses,
  };
};

/** Without the query: it may hold what identifies the user at the portal. */
const originOf = (location: string): string => urlOrigin(location) ?? 'another address';

const urlOrigin = (location: string): string | null => parseUrl(location)?.origin ?? null;

const isLoopback = (url: string | undefined): boolean => {
  const host = parseUrl(url ?? '')?.hostname ?? '';
  return host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));
};

/** URL.parse is not in every Node 20. */
const parseUrl = (text: string): URL | undefined =>
  URL.canParse(text) ? new URL(text) : undefined;

/** A portal rewrites plain HTTP only, so nothing else is worth asking. */
const ask = (url: string): Promise<Answer> =>
  new Promise((resolve) => {
    if (parseUrl(url)?.protocol !== 'http:') {
      return resolve({ error: `the captive-portal check needs an http:// URL, not ${url}` });
    }
    const agent = new Agent({ autoSelectFamilyAttemptTimeout: 5_000 });
    const request = get(url, { agent, headers: { 'cache-control': 'no-cache' } }, (response) => {
      clearTimeout(timer);
      response.destroy();
      resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    });
    const timer = setTimeout(() => {
      request.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`));
    }, timeoutMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      resolve({ error: error.message });
    });
  });
