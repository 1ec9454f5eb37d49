import type { IncomingHttpHeaders } from 'node:http';

/** RFC 9110 section 7.6.1: what is meant for one connection only is not passed on. */
export const endToEnd = (headers: IncomingHttpHeaders): Record<string, string | string[]> => {
  const listed = String(headers.connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !framing.has(name));
  const entries = Object.entries(headers).filter(
    ([name, value]) =>
      value !== undefined && !name.startsWith(':') && !hopByHop.has(name) && !listed.includes(name),
  );
  return Object.fromEntries(entries) as Record<string, string | string[]>;
};

/** Says where a message ends or for whom it is: never dropped because `Connection` lists it. */
const framing = new Set(['content-length', 'transfer-encoding', 'host']);

const hopByHop = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
