import type { Method } from '../finding.ts';
import type { AppFeatures, Features, FeaturesOf, HopFeatures } from './features.ts';
import { hopCause, say, surplusMs } from './say.ts';

/** B2: where the trace of this moment jumps most from one hop to the next. */
export const createLargestHop = (featuresOf: FeaturesOf): Method => {
  return {
    name: 'largest hop delta (B2)',
    close: (observed) => {
      const features = featuresOf(observed);
      return features.apps
        .filter(({ isSlow, isPageSlow }) => isSlow || isPageSlow)
        .map((app) => say(app, largestJump(app, features)));
    },
  };
};

const largestJump = (app: AppFeatures, features: Features) => {
  const jumps = tracesOf(app, features).flatMap(({ hops, segment }) =>
    hops.map((hop, index) => ({
      hops,
      index,
      segment,
      jumpMs: hop.rtt.nowMs - (hops[index - 1]?.rtt.nowMs ?? 0),
    })),
  );
  if (jumps.length === 0) return undefined;
  const most = jumps.reduce((best, one) => (one.jumpMs > best.jumpMs ? one : best));
  return hopCause(most.hops, most.index, most.segment, app.deviceId, surplusMs(app));
};

/** The traces that an application's packets take: to its edge and on, or straight. */
export const tracesOf = (
  app: AppFeatures,
  features: Features,
): { hops: readonly HopFeatures[]; segment: 'client-edge' | 'edge-origin' }[] =>
  app.edgeId === null
    ? [{ hops: app.hops, segment: 'client-edge' }]
    : [
        { hops: features.devices.get(app.deviceId)?.hops ?? [], segment: 'client-edge' },
        {
          hops: features.onward.get(`${app.edgeId} ${app.appId}`)?.hops ?? [],
          segment: 'edge-origin',
        },
      ];
