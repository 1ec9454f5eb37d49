import { isIP, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { destinationOfUrl } from '#contract/authority.ts';
import { dialBySystem } from '#probes/dial-by-system.ts';

/** A connection to a URL's host, or why there is none. */
export type Connected = { ok: true; socket: Socket } | { ok: false; reason: string };

export const connect = async (url: URL, signal: AbortSignal): Promise<Connected> => {
  const isSecure = url.protocol === 'https:';
  const { host, port } = destinationOfUrl(url);
  const dialled = await dialBySystem({ host, port, signal });
  if (!dialled.ok) return { ok: false, reason: dialled.reason };
  const { socket } = dialled;
  if (!isSecure) return { ok: true, socket };
  // RFC 6066 §3: no literal addresses in SNI.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return { ok: true, socket: secure({ socket, host, ...name }) };
};
