import type { familyChoices } from '#contract/body/connection.ts';
import type { Application, ProbeSpec } from '#contract/organisation.ts';
import type { Via } from '#contract/result.ts';

/** A probe as written, with the id it has by default and one line of the plan a way. */
export type NamedProbe = {
  spec: ProbeSpec;
  id: string;
  ways: Way[];
};

/** `pair` is the same on two ways that are to be compared; `family` where one was chosen. */
export type Way = {
  planId: string;
  via: Via;
  pair?: string;
  family?: (typeof familyChoices)[number];
};

/** An HTTP tunnel carries no traces, DNS queries and calls; a page is loaded as its user does. */
const defaultVia = {
  http: 'both',
  path: 'direct',
  'page-load': 'tunnel',
  dns: 'direct',
  tcp: 'both',
  tls: 'tunnel',
  voice: 'direct',
} as const;

/**
 * Names an application's probes: `<application>-<probe>`, and `…-direct` for the second of two
 * ways. With forwarding off there is one way only, the direct one; so with a family, as through the
 * tunnel the edge chooses it: `…-ipv4` and `…-ipv6` for both.
 */
export const nameProbes = (application: Application, mode: 'tunnel' | 'off'): NamedProbe[] => {
  const counts = new Map<string, number>();
  return application.probes.map((spec) => {
    const id = spec.id ?? numbered(counts, spec.type);
    const base = `${application.id}-${id}`;
    if (spec.type === 'http' && (spec.family ?? 'any') !== 'any') {
      return { spec, id, ways: familyWays(base, spec.family) };
    }
    const via = spec.via ?? defaultVia[spec.type];
    if (mode === 'off') return { spec, id, ways: [{ planId: base, via: 'direct' }] };
    if (via !== 'both') return { spec, id, ways: [{ planId: base, via }] };
    const ways = [
      { planId: base, via: 'tunnel' as const, pair: base },
      { planId: `${base}-direct`, via: 'direct' as const, pair: base },
    ];
    return { spec, id, ways };
  });
};

const familyWays = (base: string, family: 'any' | 'ipv4' | 'ipv6' | 'both' = 'any'): Way[] =>
  family === 'both'
    ? (['ipv4', 'ipv6'] as const).map((one) => ({
        planId: `${base}-${one}`,
        via: 'direct',
        family: one,
      }))
    : [{ planId: base, via: 'direct', family }];

const numbered = (counts: Map<string, number>, type: string): string => {
  const count = (counts.get(type) ?? 0) + 1;
  counts.set(type, count);
  return count === 1 ? type : `${type}-${count}`;
};
