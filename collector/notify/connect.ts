import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { type DialOptions, dial } from '#probes/dial.ts';

/** A connection to a URL's host, or why there is none. */
export type Connected = { ok: true; socket: Socket } | { ok: false; reason: string };

/**
 * By the probes' dialler, as Node's own gives an address 250 ms: one lost SYN, or an IPv6 address
 * that leads nowhere, is no reason not to be told.
 */
export const connect = async (url: URL, signal: AbortSignal): Promise<Connected> => {
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  const dialled = await dial({ host, port, signal, resolver: systemNames });
  if (!dialled.ok) return { ok: false, reason: dialled.failure.message };
  const { socket } = dialled;
  if (!isSecure) return { ok: true, socket };
  // RFC 6066 §3: no literal addresses in SNI.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return { ok: true, socket: secure({ socket, host, ...name }) };
};

/** Search domains, /etc/hosts and whatever else the system knows; its time is nobody's figure. */
const systemNames: NonNullable<DialOptions['resolver']> = {
  async resolve(host) {
    const asked = { dnsMs: null, source: 'cold' } as const;
    try {
      const found = await lookup(host, { all: true });
      const addresses = found.map(({ address, family }) => ({
        address,
        family: family === 6 ? (6 as const) : (4 as const),
      }));
      return { ...asked, ok: true, addresses, later: Promise.resolve([]) };
    } catch (error) {
      return { ...asked, ok: false, error };
    }
  },
};
