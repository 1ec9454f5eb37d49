import type { Cause, Method } from '../finding.ts';
import type { Quantity } from './baseline.ts';
import type { AppFeatures, DeviceFeatures, Features, FeaturesOf, HopFeatures } from './features.ts';
import { causeOf, hopCause, say } from './say.ts';

type Said = Omit<Cause, 'kind' | 'startedAt'>;

/**
 * B4: every stretch of one device's own transaction against its own normal, edge's figures and
 * losses included; the one that grew most is the cause. What a careful product does without a fleet.
 */
export const createSegmentDelta = (featuresOf: FeaturesOf): Method => ({
  name: 'one device, segment delta (B4)',
  close: (observed) => {
    const features = featuresOf(observed);
    return features.apps
      .filter(({ isSlow, isPageSlow }) => isSlow || isPageSlow)
      .map((app) => say(app, most(stretchesOf(app, features))));
  },
});

const most = (all: readonly Said[]): Said | undefined => {
  const grown = all.filter(({ addedMs }) => addedMs >= 15);
  return grown.length === 0
    ? undefined
    : grown.reduce((best, one) => (one.addedMs > best.addedMs ? one : best));
};

const stretchesOf = (app: AppFeatures, features: Features): Said[] => {
  const device = features.devices.get(app.deviceId);
  const { deviceId, appId } = app;
  const edgeId = app.edgeId ?? '';
  const straight = app.edgeId === null;
  const part = (name: keyof AppFeatures['parts']) => up(app.parts[name]);
  const { first, second } = app.legs;
  const onward = features.onward.get(`${edgeId} ${appId}`);
  const onwardMs = second * Math.max(part('onward'), up(onward?.connect));
  return [
    causeOf('device', 'device', deviceId, first * up(device?.lag)),
    causeOf(
      'wifi',
      'gateway',
      deviceId,
      first * up(device?.gateway) + lossMs(first, device?.gatewayLossRatio),
    ),
    ...(straight ? outer(app.hops, app, first, part('trip')) : outsideOf(device, app, first)),
    causeOf('edge', 'in-edge', edgeId, part('edge-queue')),
    causeOf(
      straight ? 'application-dns' : 'edge-dns',
      'dns',
      straight ? appId : edgeId,
      part('dns'),
    ),
    ...(straight ? [] : outer(onward?.hops ?? [], app, second, onwardMs / second, 'edge-origin')),
    causeOf('tls', 'tls', appId, part('tls')),
    causeOf('application', 'server', appId, part('server')),
    causeOf('transfer', 'transfer', deviceId, part('transfer')),
    ...ofPage(app),
  ];
};

/** Leg 1: what the echo outside the tunnel shows is the path's, the rest of the tunnel's RTT its own. */
const outsideOf = (device: DeviceFeatures | undefined, app: AppFeatures, trips: number): Said[] => {
  if (device === undefined) return [];
  const echoMs = up(device.underlay);
  const pathMs = Math.max(0, echoMs - up(device.gateway));
  const tunnelMs = Math.max(0, up(device.tunnel) - echoMs) + up(device.queue);
  const lost = lossMs(trips, device.tunnelLossRatio - device.gatewayLossRatio);
  return [
    ...outer(device.hops, app, trips, pathMs + lost / trips),
    causeOf('tunnel-client', 'tunnel-queue', app.deviceId, trips * tunnelMs),
  ];
};

/** A path that grew is blamed on the hop where its own round trip grew most over the one before. */
const outer = (
  hops: readonly HopFeatures[],
  { deviceId }: AppFeatures,
  trips: number,
  addedMs: number,
  segment: 'client-edge' | 'edge-origin' = 'client-edge',
): Said[] => {
  if (hops.length < 2) return [causeOf('as', segment, 'path', trips * addedMs)];
  const steps = hops.map((hop, index) => up(hop.rtt) - up(hops[index - 1]?.rtt));
  const start = segment === 'client-edge' ? 1 : 0;
  const rest = steps.slice(start);
  const index = start + rest.indexOf(Math.max(...rest));
  return [hopCause(hops, index, segment, deviceId, trips * addedMs)];
};

const ofPage = ({ page, appId, isPageSlow, total }: AppFeatures): Said[] => {
  if (page === null || !isPageSlow) return [];
  const third = page.thirdParty;
  const thirdMs = up(third?.longest);
  return [
    causeOf('third-party', 'page', third?.host ?? '', thirdMs),
    causeOf('page', 'page', appId, Math.max(0, up(page.lcp) - up(total ?? undefined) - thirdMs)),
  ];
};

const up = (quantity: Quantity | null | undefined): number =>
  quantity?.ready === true ? Math.max(0, quantity.deltaMs) : 0;

/** A lost packet waits for about 250 ms (RFC 6298 with Linux' 200 ms floor). */
const lossMs = (trips: number, ratio = 0): number =>
  ratio < 0.01 ? 0 : trips * 250 * ratio * (1 + ratio);
