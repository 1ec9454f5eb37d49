import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problems.ts';

/** Whether only this machine reaches an address a listener is bound to. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/**
 * Against DNS rebinding: a page from elsewhere whose name was made to point at this machine still
 * sends its own name in `Host`. Behind a real address the network decides who comes; names are the
 * organisation's.
 */
export const createHostCheck = (options: { listenHost: string; publicUrl: string | undefined }) => {
  const allowed = new Set(['localhost', '127.0.0.1', '[::1]', bracketed(options.listenHost)]);
  if (options.publicUrl !== undefined) allowed.add(new URL(options.publicUrl).hostname);
  return async (request: FastifyRequest): Promise<void> => {
    if (!isLoopback(options.listenHost)) return;
    const name = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
    if (allowed.has(name)) return;
    throw new Problem('wrong-host', {
      detail: 'this listener is for this machine: use 127.0.0.1 or localhost, or set publicUrl',
    });
  };
};

const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
