import { Agent, get } from 'node:http';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Log } from '#runtime/log.ts';

/** What is established about the network around the device; `unknown` when nothing is. */
export type NetworkState = 'ok' | 'captive-portal' | 'down' | 'unknown';

export type NetworkFinding = { state: NetworkState; reason: string; at: number };

export type NetworkWatch = {
  /** The last finding. */
  current(): NetworkFinding;
  /** Looks again unless it just did; never rejects. */
  check(): Promise<NetworkFinding>;
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
}): NetworkWatch => {
  let current: NetworkFinding = { state: 'unknown', reason: 'not looked yet', at: 0 };
  let looking: Promise<NetworkFinding> | undefined;

  const look = async (): Promise<NetworkFinding> => {
    const url = parts.url();
    const answer: Answer =
      url === undefined || url === '' ? { error: 'no URL configured' } : await ask(url);
    const found = { ...judge(answer, url, hasExternalAddress()), at: Date.now() };
    const isNews = found.state !== current.state;
    current = found;
    if (isNews) {
      parts.log.info({ component: 'network', ...found }, 'network state changed');
      parts.onChange(found);
    }
    return found;
  };

  return {
    current: () => current,
    check: () => {
      if (Date.now() - current.at < freshMs) return Promise.resolve(current);
      looking ??= look().finally(() => {
        looking = undefined;
      });
      return looking;
    },
  };
};

export type Answer = { status: number; location?: string | undefined } | { error: string };

/** Only what is proven: silence alone may be the collector's own. */
export const judge = (
  answer: Answer,
  url: string | undefined,
  hasAddress: boolean,
): { state: NetworkState; reason: string } => {
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
      reason: `expected 204 from ${url}, got ${answer.status}${where}`,
    };
  }
  if (!hasAddress && !isLoopback(url)) {
    return { state: 'down', reason: `no interface has an address (${answer.error})` };
  }
  return { state: 'unknown', reason: answer.error };
};

/** Without the query: it may hold what identifies the user at the portal. */
const originOf = (location: string): string => parseUrl(location)?.origin ?? 'another address';

const isLoopback = (url: string | undefined): boolean => {
  const host = parseUrl(url ?? '')?.hostname ?? '';
  return host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));
};

/** URL.parse is not in every Node 20. */
const parseUrl = (text: string): URL | undefined =>
  URL.canParse(text) ? new URL(text) : undefined;

const hasExternalAddress = (): boolean =>
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((address) => !address.internal && !address.address.startsWith('fe80:')),
  );

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
