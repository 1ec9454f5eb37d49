import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Cause, Method } from '../finding.ts';
import type { AppFeatures, DeviceFeatures, FeaturesOf } from './features.ts';
import { causeOf, say } from './say.ts';

/** B1: slow above a fixed time; the first of a fixed row of thresholds that is crossed is the cause. */
export const createStaticThresholds = (featuresOf: FeaturesOf, facts: Facts): Method => {
  return {
    name: 'static thresholds (B1)',
    close: (observed) => {
      const features = featuresOf(observed);
      return features.apps
        .filter(isTriggered)
        .map((app) => say(app, firstCrossed(app, features.devices.get(app.deviceId), facts)));
    },
  };
};

const isTriggered = ({ total, page }: AppFeatures): boolean =>
  (total?.nowMs ?? 0) > 900 || (page?.lcp.nowMs ?? 0) > 2_800;

type Rule = { crossed: boolean; cause: () => Omit<Cause, 'kind' | 'startedAt'> };

const firstCrossed = (app: AppFeatures, device: DeviceFeatures | undefined, facts: Facts) => {
  const part = (name: keyof AppFeatures['parts']) => app.parts[name]?.nowMs ?? 0;
  const { deviceId, appId } = app;
  const edgeId = app.edgeId ?? '';
  const access = facts.devices[deviceId];
  const region = `${access?.asn ?? ''}/${access?.region ?? ''}`;
  const tunnelMs = (device?.tunnel?.nowMs ?? 0) - (device?.underlay?.nowMs ?? 0);
  // A fixed rule gives no milliseconds.
  const of = (...cause: [Parameters<typeof causeOf>[0], Parameters<typeof causeOf>[1], string]) =>
    causeOf(...cause, Number.NaN);
  const rules: Rule[] = [
    { crossed: (device?.cpuRatio ?? 0) > 0.9, cause: () => of('device', 'device', deviceId) },
    { crossed: (device?.memoryRatio ?? 0) > 0.92, cause: () => of('device', 'device', deviceId) },
    { crossed: (device?.gateway?.nowMs ?? 0) > 30, cause: () => of('wifi', 'gateway', deviceId) },
    {
      crossed: (device?.gatewayLossRatio ?? 0) > 0.03,
      cause: () => of('wifi', 'gateway', deviceId),
    },
    {
      crossed: (device?.underlay?.nowMs ?? 0) > 120 || (app.edgeId === null && part('trip') > 150),
      cause: () => of('isp-region', 'client-edge', region),
    },
    {
      crossed: (device?.tunnelLossRatio ?? 0) > 0.03,
      cause: () => of('isp-region', 'client-edge', region),
    },
    { crossed: tunnelMs > 40, cause: () => of('tunnel-client', 'tunnel-queue', deviceId) },
    { crossed: part('edge-queue') > 60, cause: () => of('edge', 'in-edge', edgeId) },
    { crossed: part('dns') > 120, cause: () => of('edge-dns', 'dns', edgeId) },
    { crossed: part('onward') > 100, cause: () => of('as', 'edge-origin', `${edgeId} ${appId}`) },
    { crossed: part('tls') > 100, cause: () => of('tls', 'tls', appId) },
    { crossed: part('server') > 400, cause: () => of('application', 'server', appId) },
    {
      crossed: (app.page?.thirdParty?.longest.nowMs ?? 0) > 800,
      cause: () => of('third-party', 'page', app.page?.thirdParty?.host ?? ''),
    },
    { crossed: (app.page?.lcp.nowMs ?? 0) > 2_800, cause: () => of('page', 'page', appId) },
  ];
  return rules.find(({ crossed }) => crossed)?.cause();
};
