import type { ProbeDefinition } from '#contract/plan.ts';
import type { ProbeType } from '#contract/result.ts';
import { createDnsProber } from './dns/dns.ts';
import { createHttpProber, type HttpProberOptions } from './http/http.ts';
import type { ProbeLog } from './log.ts';
import { createPageLoadProber } from './page-load/page-load.ts';
import type { PathEngine } from './path/engine.ts';
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
  log?: ProbeLog;
};

/** Whoever makes them stops them, with `stopProbers`. Helpers start with the first run that needs them. */
export const createProbers = ({ pathEngine, log, ...http }: ProbersOptions = {}) => {
  const logged = log === undefined ? {} : { log };
  return {
    http: createHttpProber(http),
    path: createPathProber({ ...logged, ...(pathEngine ? { engine: pathEngine } : {}) }),
    'page-load': createPageLoadProber(logged),
    dns: createDnsProber(),
    tcp: createTcpProber(),
    tls: createTlsProber(),
    voice: createVoiceProber(),
  } satisfies Probers;
};

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
