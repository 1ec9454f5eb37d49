import { isIP } from 'node:net';
import type { dnsTransports } from './body/dns.ts';

export type DnsTransport = (typeof dnsTransports)[number];

/** A name server to ask, and how. `name` is how it stands in a result. */
export type DnsServer = {
  transport: DnsTransport;
  host: string;
  port: number;
  /** Where the question is posted; '' but for https. */
  url: string;
  name: string;
};

/** What a person may write, for messages. */
export const serverForms =
  'ADDRESS, ADDRESS:PORT, [IPV6]:PORT, tcp://ADDRESS, tls://HOST or https://HOST/dns-query';

/** Reads a server as a person writes it; undefined: it is none. */
export const parseServer = (text: string): DnsServer | undefined => {
  if (text.startsWith('https://')) return parseUrl(text);
  const [, scheme = 'udp', place = ''] = /^(?:(udp|tcp|tls):\/\/)?(.*)$/.exec(text) ?? [];
  const transport = scheme as DnsTransport;
  const defaultPort = transport === 'tls' ? 853 : 53;
  const found = splitPort(place, defaultPort);
  if (found === undefined) return undefined;
  // A server that is asked without TLS is an address: looking its name up needs a server.
  if (transport !== 'tls' && isIP(found.host) === 0) return undefined;
  return { transport, ...found, url: '', name: nameOf(transport, found) };
};

const parseUrl = (text: string): DnsServer | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return undefined;
  return {
    transport: 'https',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 443 : Number(url.port),
    url: url.href,
    name: `${url.origin}${url.pathname}`.slice(0, 512),
  };
};

const splitPort = (
  place: string,
  defaultPort: number,
): { host: string; port: number } | undefined => {
  if (isIP(place) !== 0) return { host: place, port: defaultPort };
  const [, six, other, digits] = /^(?:\[([^\]]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(place) ?? [];
  const host = six ?? other;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (six !== undefined && isIP(six) !== 6) return undefined;
  return { host, port };
};

const nameOf = (transport: DnsTransport, { host, port }: { host: string; port: number }): string =>
  `${transport === 'udp' ? '' : `${transport}://`}${host.includes(':') ? `[${host}]` : host}:${port}`;
