import type { Cause, Method } from '../finding.ts';
import { elementOf } from '../finding.ts';
import { createBaselines, median, type Quantity } from './baseline.ts';
import type { AppFeatures, DeviceFeatures, Features, FeaturesOf, HopFeatures } from './features.ts';
import { causeOf, say, surplusMs } from './say.ts';

type Said = Omit<Cause, 'kind' | 'startedAt'>;
/** Measurements of one place seen from one group in one bin, and whether they are bad together. */
type Quartet = { group: string; place: string; path: string; isBad: boolean };

const blamedShare = 0.8;
const leastQuartets = 3;
/** On each of three round trips: the 40 ms from which the others call a transaction slow. */
const leastTripMs = 13;

/**
 * B5: BlameIt (SIGCOMM '19) on both legs. A quartet is bad when its mean is well above its own
 * normal; blame goes to the place when 80 % of its quartets are bad, else to the middle when 80 % of
 * those with the same path are, else to the group itself. The AS of the middle: largest increase.
 */
export const createBlameIt = (featuresOf: FeaturesOf): Method => {
  const baselines = createBaselines();
  return {
    name: 'BlameIt adapted (B5)',
    close: (observed) => {
      const features = featuresOf(observed);
      const hour = (observed.fromMs / 3_600_000) % 24;
      const normal = (key: string, values: readonly number[], floorMs: number) =>
        baselines.update(key, floorMs, features.bin, hour, mean(values));
      const first = firstLeg(features, normal);
      const second = secondLeg(features, normal);
      return features.apps.flatMap((app) => {
        const said = blameFirst(app, features, first) ?? blameSecond(app, features, second);
        return said === undefined ? [] : [say(app, said)];
      });
    },
  };
};

type Normal = (key: string, values: readonly number[], floorMs: number) => Quantity;

/** (site, edge): the tunnel's round trips; the middle is the set of networks between. */
const firstLeg = ({ devices }: Features, normal: Normal): Map<string, Quartet> => {
  const groups = groupBy(
    [...devices.values()],
    ({ siteId, edgeId }) => `${siteId} ${edgeId ?? ''}`,
  );
  return new Map(
    [...groups].flatMap(([key, members]): [string, Quartet][] => {
      const values = members.flatMap(({ tunnel }) => (tunnel === null ? [] : [tunnel.nowMs]));
      const [one] = members;
      if (values.length === 0 || one === undefined || one.edgeId === null) return [];
      const isBad = isOff(normal(`leg1 ${key}`, values, 0.8), leastTripMs);
      return [[key, { group: one.siteId, place: one.edgeId, path: networksOf(one), isBad }]];
    }),
  );
};

/** (edge, application): from the request's start at the edge to its answer. */
const secondLeg = ({ apps, onward }: Features, normal: Normal): Map<string, Quartet> => {
  const tunnelled = apps.filter(({ edgeId }) => edgeId !== null);
  const groups = groupBy(tunnelled, ({ edgeId, appId }) => `${edgeId} ${appId}`);
  return new Map(
    [...groups].flatMap(([key, members]): [string, Quartet][] => {
      const values = members.flatMap(({ parts }) => {
        const ms = [parts['edge-queue'], parts.dns, parts.onward, parts.tls, parts.server];
        return parts.server === undefined ? [] : [sum(ms.map((one) => one?.nowMs ?? 0))];
      });
      const [one] = members;
      if (values.length === 0 || one === undefined) return [];
      const hops = onward.get(key)?.hops ?? [];
      const path = [...new Set(hops.map(({ asn }) => asn).filter((asn) => asn !== null))].join(' ');
      const isBad = isOff(normal(`leg2 ${key}`, values, 5), 40);
      return [[key, { group: one.edgeId ?? '', place: one.appId, path, isBad }]];
    }),
  );
};

const blameFirst = (app: AppFeatures, features: Features, quartets: Map<string, Quartet>) => {
  const device = features.devices.get(app.deviceId);
  if (device === undefined || app.edgeId === null) return undefined;
  const own = quartets.get(`${device.siteId} ${device.edgeId ?? ''}`);
  if (own?.isBad !== true) return undefined;
  const all = [...quartets.values()];
  const ms = surplusMs(app);
  if (isBlamed(all.filter(({ place }) => place === own.place)))
    return causeOf('edge', 'in-edge', own.place, ms);
  if (isBlamed(all.filter(({ path }) => path === own.path)))
    return middle(device.hops, 'client-edge', ms);
  return client(device, app, ms);
};

const blameSecond = (app: AppFeatures, features: Features, quartets: Map<string, Quartet>) => {
  const own = quartets.get(`${app.edgeId} ${app.appId}`);
  if (own?.isBad !== true) return undefined;
  const all = [...quartets.values()];
  const ms = surplusMs(app);
  if (isBlamed(all.filter(({ place }) => place === own.place)))
    return causeOf('application', 'server', own.place, ms);
  if (isBlamed(all.filter(({ path, group }) => path === own.path && group === own.group)))
    return middle(features.onward.get(`${own.group} ${own.place}`)?.hops ?? [], 'edge-origin', ms);
  return causeOf('edge', 'in-edge', own.group, ms);
};

const isBlamed = (quartets: readonly Quartet[]): boolean =>
  quartets.length >= leastQuartets &&
  quartets.filter(({ isBad }) => isBad).length >= blamedShare * quartets.length;

/** The AS whose stretch of the own trace grew most. */
const middle = (
  hops: readonly HopFeatures[],
  segment: 'client-edge' | 'edge-origin',
  addedMs: number,
): Said => {
  const last = new Map<number, number>();
  for (const { asn, rtt } of hops) if (asn !== null) last.set(asn, rtt.ready ? rtt.deltaMs : 0);
  let before = 0;
  let most: { asn: number; ms: number } | undefined;
  for (const [asn, deltaMs] of last) {
    if (most === undefined || deltaMs - before > most.ms) most = { asn, ms: deltaMs - before };
    before = deltaMs;
  }
  const asn = most?.asn ?? null;
  return { family: 'as', segment, element: elementOf(`AS${asn}`, { asn }), addedMs };
};

/** BlameIt says no more than "client": credited for whichever of the three near ends it is. */
const client = (device: DeviceFeatures, app: AppFeatures, ms: number): Said => {
  const lagMs = device.lag?.ready === true ? device.lag.deltaMs : 0;
  const gatewayMs = device.gateway?.ready === true ? device.gateway.deltaMs : 0;
  if (lagMs > 8) return causeOf('device', 'device', app.deviceId, ms);
  if (gatewayMs > 8 || device.gatewayLossRatio > 0.02)
    return causeOf('wifi', 'gateway', app.deviceId, ms);
  const [near, next] = device.hops;
  return {
    family: 'last-mile',
    segment: 'client-edge',
    element: elementOf(device.siteId, { from: near?.address ?? null, to: next?.address ?? null }),
    addedMs: ms,
  };
};

const networksOf = ({ hops, edgeId }: DeviceFeatures): string =>
  `${[...new Set(hops.map(({ asn }) => asn).filter((asn) => asn !== null))].join(' ')} ${edgeId}`;

/** Two bins in a row: BlameIt runs every third bucket of five minutes and blames what persists. */
const isOff = ({ ready, deltaMs, formerDeltaMs, scaleMs }: Quantity, leastMs: number): boolean =>
  ready && Math.min(deltaMs, formerDeltaMs ?? 0) > Math.max(leastMs, 2.5 * scaleMs);

const groupBy = <T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [one]);
    else known.push(one);
  }
  return groups;
};

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
/** BlameIt takes means; one outlier in a small quartet must not make it bad. */
const mean = (values: readonly number[]): number =>
  values.length < 3 ? median(values) : sum(values) / values.length;
