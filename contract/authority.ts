import { isHost } from './host-pattern.ts';

/** `host:port` or `[v6]:port` of a CONNECT (RFC 9110 section 9.3.6); undefined when it is neither. */
export const parseAuthority = (
  authority: string | undefined,
): { host: string; port: number } | undefined => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:@/?#[\]\\]{1,254}):(\d{1,5})$/.exec(authority ?? '');
  const port = Number(match?.[2]);
  if (!match?.[1] || port < 1 || port > 65_535) return undefined;
  const host = match[1].replace(/^\[|\]$/g, '');
  return isHost(host) ? { host, port } : undefined;
};

/** Where an http or https URL leads; an IPv6 literal comes without its brackets. */
export const destinationOfUrl = (url: URL): { host: string; port: number } => ({
  host: url.hostname.replace(/^\[|\]$/g, ''),
  port: url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port),
});
