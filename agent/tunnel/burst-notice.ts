import type { OutgoingHttpHeaders } from 'node:http2';
import { burstHeader, formatBurstNotice } from '#contract/burst.ts';

/** A burst as the tunnel knows it. */
export type TunnelBurst = {
  burstId: string;
  everyMs: number;
  lastsMs: number;
  destination: { host: string; port: number };
};

/**
 * Tells the edge, with each connection to the suspected application, so that it looks onward as well.
 * Edges that know nothing of it pass the header over.
 */
export const createBurstNotice = (now: () => number) => {
  let current: (TunnelBurst & { untilMs: number }) | undefined;
  return {
    set(burst: TunnelBurst | undefined): void {
      current = burst && { ...burst, untilMs: now() + burst.lastsMs };
    },
    headersFor(host: string, port: number): OutgoingHttpHeaders {
      const leftMs = (current?.untilMs ?? 0) - now();
      if (current === undefined || leftMs <= 0) return {};
      const { burstId, destination } = current;
      if (destination.host !== host || destination.port !== port) return {};
      return { [burstHeader]: formatBurstNotice({ burstId, forSeconds: leftMs / 1_000 }) };
    },
  };
};
