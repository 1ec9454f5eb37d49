import { isIP } from 'node:net';

/** One element of what FindProxyForURL returns. */
export type PacElement =
  | { kind: 'direct'; text: string }
  | { kind: 'proxy'; text: string; host: string; port: number };

const defaultPorts = new Map([
  ['PROXY', 80],
  ['HTTP', 80],
  ['HTTPS', 443],
  ['SOCKS', 1_080],
  ['SOCKS4', 1_080],
  ['SOCKS5', 1_080],
]);

/**
 * Reads `PROXY host[:port]; …; DIRECT` as browsers do: by any case, elements that are no such thing
 * are passed over, and a list with nothing in it is empty.
 */
export const parsePacAnswer = (answer: string): PacElement[] =>
  answer.split(';').flatMap((part): PacElement[] => {
    const [word = '', place, ...rest] = part.trim().split(/\s+/);
    const type = word.toUpperCase();
    if (type === 'DIRECT' && place === undefined) return [{ kind: 'direct', text: 'DIRECT' }];
    const port = defaultPorts.get(type);
    if (port === undefined || place === undefined || rest.length > 0) return [];
    const authority = parsePlace(place, port);
    return authority === undefined
      ? []
      : [{ kind: 'proxy', text: `${type} ${place}`.slice(0, 100), ...authority }];
  });

const parsePlace = (
  place: string,
  defaultPort: number,
): { host: string; port: number } | undefined => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]{1,253})(?::(\d{1,5}))?$/.exec(place);
  const host = match?.[1]?.replace(/^\[|\]$/g, '').toLowerCase();
  const port = Number(match?.[2] ?? defaultPort);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return place.startsWith('[') && isIP(host) !== 6 ? undefined : { host, port };
};
