import type { ProbeDefinition } from '#contract/plan.ts';
import type { ProbeType } from '#contract/result.ts';
import { createDnsProber } from './dns/dns.ts';
import { createHttpProber, type HttpProberOptions } from './http/http.ts';
import type { ProbeLog } from './log.ts';
import { createPageLoadProber } from './page-load/page-load.ts';
import type { PathEngine } from './path/engine.ts';
import { createLastAddresses, type LastAddresses } from './path/last-addresses.ts';
import type { OriginTable } from './path/origins.ts';
import { createPathProber } from './path/path.ts';
import type { Outcome, ProbeContext, Prober } from './probe.ts';
import { createTcpProber } from './tcp/tcp.ts';
import { createTlsProber } from './tls/tls.ts';
import { createVoiceProber } from './voice/voice.ts';

/** One prober per probe type: a type added to the contract fails to compile until it is here. */
export type Probers = { [T in ProbeType]: Prober<T> };

export type ProbersOptions = HttpProberOptions & {
  /** Shared with the gateway echo: a process should have one ICMP engine. */
  pathEngine?: PathEngine;
  /** Whose addresses are, for the hops of a path. */
  origins?: OriginTable;
  log?: ProbeLog;
};

/** Whoever makes them stops them, with `stopProbers`. Helpers start with the first run that needs them. */
export const createProbers = ({ pathEngine, origins, log, ...http }: ProbersOptions = {}) => {
  const logged = log === undefined ? {} : { log };
  const lastAddresses = createLastAddresses();
  return {
    http: rememberAddresses(createHttpProber(http), lastAddresses),
    path: createPathProber({
      ...logged,
      ...(pathEngine ? { engine: pathEngine } : {}),
      ...(origins ? { origins } : {}),
      lastAddresses,
    }),
    'page-load': createPageLoadProber(logged),
    dns: createDnsProber(),
    tcp: createTcpProber(),
    tls: createTlsProber(),
    voice: createVoiceProber(),
  } satisfies Probers;
};

/** Of a redirected run the first address: a path that follows is to the host that was asked for. */
const rememberAddresses = (prober: Prober<'http'>, last: LastAddresses): Prober<'http'> => ({
  ...prober,
  async run(probe, context) {
    const outcome = await prober.run(probe, context);
    const [first] = outcome.body.exchanges;
    // Through the tunnel it is the edge that connects; what the device reached was the proxy.
    const own = context.proxy === undefined ? first?.remoteAddress : undefined;
    const address = first?.edge?.address ?? own;
    if (address) last.remember(probe.id, address);
    return outcome;
  },
});

/** An outcome that knows its type, as a Result does. */
export type TypedOutcome = { [T in ProbeType]: { type: T } & Outcome<T> }[ProbeType];

/** Runs a probe of whatever type with the prober for it. */
export const runProbe = async (
  probers: Probers,
  probe: ProbeDefinition,
  context: ProbeContext,
): Promise<TypedOutcome> => {
  switch (probe.type) {
    case 'http':
      return { type: 'http', ...(await probers.http.run(probe, context)) };
    case 'path':
      return { type: 'path', ...(await probers.path.run(probe, context)) };
    case 'page-load':
      return { type: 'page-load', ...(await probers['page-load'].run(probe, context)) };
    case 'dns':
      return { type: 'dns', ...(await probers.dns.run(probe, context)) };
    case 'tcp':
      return { type: 'tcp', ...(await probers.tcp.run(probe, context)) };
    case 'tls':
      return { type: 'tls', ...(await probers.tls.run(probe, context)) };
    case 'voice':
      return { type: 'voice', ...(await probers.voice.run(probe, context)) };
  }
};

export const stopProbers = async (probers: Probers): Promise<void> => {
  await Promise.all(Object.values(probers).map((prober) => prober.stop()));
};
