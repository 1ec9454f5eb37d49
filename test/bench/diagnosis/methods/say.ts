import type { CauseFamily, Segment } from '#contract/verdict.ts';
import { type Cause, elementOf, type Finding } from '../finding.ts';
import type { AppFeatures, HopFeatures } from './features.ts';

/** What a simple method says: one cause, without confidence or start. */
export const say = (
  { deviceId, appId }: AppFeatures,
  cause: Omit<Cause, 'kind' | 'startedAt'> | undefined,
): Finding => ({
  deviceId,
  appId,
  state: cause === undefined ? 'unknown' : 'named',
  causes: cause === undefined ? [] : [{ ...cause, kind: 'delay', startedAt: null }],
  confidence: null,
});

export const causeOf = (
  family: CauseFamily,
  segment: Segment,
  id: string,
  addedMs: number,
): Omit<Cause, 'kind' | 'startedAt'> => ({ family, segment, element: elementOf(id), addedMs });

/** The stretch that ends at one hop, called after where it lies: gateway, first mile, further out. */
export const hopCause = (
  hops: readonly HopFeatures[],
  index: number,
  segment: 'client-edge' | 'edge-origin',
  deviceId: string,
  addedMs: number,
): Omit<Cause, 'kind' | 'startedAt'> => {
  const hop = hops[index];
  const from = hops[index - 1]?.address ?? null;
  const to = hop?.address ?? null;
  const asn = hop?.asn ?? null;
  const stretch = elementOf(`${from ?? ''}>${to ?? ''}`, { from, to, asn });
  if (segment === 'client-edge' && hop?.ttl === 1)
    return { family: 'wifi', segment: 'gateway', element: elementOf(deviceId), addedMs };
  const family = segment === 'client-edge' && index === 1 ? 'last-mile' : 'link';
  return { family, segment, element: stretch, addedMs };
};

/** Everything of a page's or a request's surplus that there is to explain. */
export const surplusMs = ({ total, page, isSlow }: AppFeatures): number =>
  (isSlow ? total?.deltaMs : page?.lcp.deltaMs) ?? 0;
