import { isIP } from 'node:net';
import { isHost } from '#contract/host-pattern.ts';
import type { Destination } from './access.ts';

/**
 * The destination in the default template of RFC 9298 section 3.4,
 * `/.well-known/masque/udp/{target_host}/{target_port}/`; undefined where it is not one. The colons
 * of an IPv6 address come percent-encoded, and it has no brackets and no zone.
 */
export const parseUdpPath = (path: string | undefined): Destination | undefined => {
  const match = /^\/\.well-known\/masque\/udp\/([^/?#]{1,800})\/(\d{1,5})\/$/.exec(path ?? '');
  const host = decoded(match?.[1] ?? '');
  const port = Number(match?.[2]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (host.includes('%') || (isIP(host) === 0 && /[:[\]/?#@\\]/.test(host))) return undefined;
  return isHost(host) ? { host, port } : undefined;
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};
