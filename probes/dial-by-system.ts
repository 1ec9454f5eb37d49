import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { type DialOptions, dial } from './dial.ts';

export type SystemDialled = { ok: true; socket: Socket } | { ok: false; reason: string };

/**
 * For what has to arrive and is no measurement (uploads, webhooks): the probes' dialler, with names as
 * this system knows them. Node's own gives an address 250 ms, so one lost SYN, or an IPv6 address that
 * leads nowhere, fails it on exactly the networks that are to be reported.
 */
export const dialBySystem = async (to: {
  host: string;
  port: number;
  signal: AbortSignal;
}): Promise<SystemDialled> => {
  const dialled = await dial({ ...to, resolver: systemNames });
  return dialled.ok
    ? { ok: true, socket: dialled.socket }
    : { ok: false, reason: dialled.failure.message };
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
