import type { Method } from '../finding.ts';
import type { AppFeatures, Features, FeaturesOf } from './features.ts';
import { tracesOf } from './largest-hop.ts';
import { causeOf, say, surplusMs } from './say.ts';

/** B3: the round trip to the last hop is up: the network. Otherwise: the application. */
export const createLastHop = (featuresOf: FeaturesOf): Method => {
  return {
    name: 'last-hop RTT (B3)',
    close: (observed) => {
      const features = featuresOf(observed);
      return features.apps
        .filter(({ isSlow, isPageSlow }) => isSlow || isPageSlow)
        .map((app) => say(app, networkOrApplication(app, features)));
    },
  };
};

/** Any network is meant, so no AS is named, and no element. */
const networkOrApplication = (app: AppFeatures, features: Features) => {
  const risen = tracesOf(app, features).find(({ hops }) => {
    const rtt = hops.at(-1)?.rtt;
    return rtt?.ready === true && rtt.deltaMs > Math.max(8, 2.5 * rtt.scaleMs);
  });
  return risen === undefined
    ? causeOf('application', 'server', app.appId, surplusMs(app))
    : causeOf('as', risen.segment, 'network', surplusMs(app));
};
