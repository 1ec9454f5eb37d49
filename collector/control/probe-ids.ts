import type { Application, ProbeSpec } from '#contract/organisation.ts';
import type { Via } from '#contract/result.ts';

/** The application id under which devices measure the way to their edges. */
export const edgeApplicationId = 'whyslow-edge';

/** The probe that measures the way to one edge. */
export const edgePathProbeId = (edgeId: string): string => `edge-path-${edgeId}`;

/** A probe as written, with the id it has by default and one line of the plan a way. */
export type NamedProbe = {
  spec: ProbeSpec;
  id: string;
  ways: { planId: string; via: Via }[];
};

/** Traces and DNS queries cannot go through an HTTP tunnel; a page is loaded as its user does. */
const defaultVia = { http: 'both', path: 'direct', 'page-load': 'tunnel', dns: 'direct' } as const;

/**
 * Names an application's probes: `<application>-<probe>`, and `…-direct` for the second of two
 * ways. With forwarding off there is one way only, the direct one.
 */
export const nameProbes = (application: Application, mode: 'tunnel' | 'off'): NamedProbe[] => {
  const counts = new Map<string, number>();
  return application.probes.map((spec) => {
    const id = spec.id ?? numbered(counts, spec.type);
    const base = `${application.id}-${id}`;
    const via = spec.via ?? defaultVia[spec.type];
    if (mode === 'off') return { spec, id, ways: [{ planId: base, via: 'direct' }] };
    if (via !== 'both') return { spec, id, ways: [{ planId: base, via }] };
    const ways = [
      { planId: base, via: 'tunnel' as const },
      { planId: `${base}-direct`, via: 'direct' as const },
    ];
    return { spec, id, ways };
  });
};

const numbered = (counts: Map<string, number>, type: string): string => {
  const count = (counts.get(type) ?? 0) + 1;
  counts.set(type, count);
  return count === 1 ? type : `${type}-${count}`;
};
