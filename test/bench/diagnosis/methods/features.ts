import type { Hop } from '#contract/body/path.ts';
import { edgeApplicationId } from '#contract/edge-path.ts';
import type { HttpResult, PageLoadResult, PathResult } from '#contract/result.ts';
import type { DeviceSample, OnwardSample, TunnelSample } from '#contract/telemetry.ts';
import type { Observed } from '../finding.ts';
import { createBaselines, median, type Quantity } from './baseline.ts';
import { createLossWindow } from './loss-window.ts';

/** One bin as the simple methods see it: medians and how far each is from its own normal. */
export type Features = {
  bin: number;
  devices: ReadonlyMap<string, DeviceFeatures>;
  apps: readonly AppFeatures[];
  /** By edge and application. */
  onward: ReadonlyMap<string, OnwardFeatures>;
};

export type HopFeatures = { ttl: number; address: string; asn: number | null; rtt: Quantity };

export type DeviceFeatures = {
  deviceId: string;
  edgeId: string | null;
  /** Devices behind one gateway; its own id where nothing tells. */
  siteId: string;
  lag: Quantity | null;
  gateway: Quantity | null;
  underlay: Quantity | null;
  tunnel: Quantity | null;
  queue: Quantity | null;
  /** Newest trace to the edge. */
  hops: readonly HopFeatures[];
  gatewayLossRatio: number;
  tunnelLossRatio: number;
  cpuRatio: number;
  memoryRatio: number;
};

/** `trip`: device to edge (straight: to the application); `onward`: edge to application. */
export const partNames = [
  'trip',
  'edge-queue',
  'dns',
  'onward',
  'tls',
  'server',
  'transfer',
] as const;
export type PartName = (typeof partNames)[number];

export type AppFeatures = {
  deviceId: string;
  appId: string;
  /** Null: straight. */
  edgeId: string | null;
  frontEnd: string | null;
  failureType: string | null;
  total: Quantity | null;
  parts: Readonly<Partial<Record<PartName, Quantity>>>;
  /** Crossings of both legs (straight: the first alone) that one transaction makes. */
  legs: { first: number; second: number };
  /** Newest trace straight to the application. */
  hops: readonly HopFeatures[];
  page: PageFeatures | null;
  /** The rule that all but two methods share; a page's own beside it. */
  isSlow: boolean;
  isPageSlow: boolean;
};

export type PageFeatures = {
  lcp: Quantity;
  render: Quantity;
  thirdParty: { host: string; longest: Quantity } | null;
};

export type OnwardFeatures = { connect: Quantity | null; hops: readonly HopFeatures[] };

/** Made once for each bin, whoever asks: the simple methods share them. */
export type FeaturesOf = (observed: Observed) => Features;

export const createSharedFeatures = (): FeaturesOf => {
  const make = createFeatures();
  let last: { observed: Observed; features: Features } | undefined;
  return (observed) => {
    if (last?.observed !== observed) last = { observed, features: make(observed) };
    return last.features;
  };
};

const createFeatures = (): FeaturesOf => {
  const baselines = createBaselines();
  const losses = createLossWindow(6);
  const edgeOf = new Map<string, string>();
  const pages = new Map<string, { bin: number; page: PageFeatures }>();

  return (observed: Observed): Features => {
    const binMs = observed.toMs - observed.fromMs;
    const bin = Math.round(observed.fromMs / binMs);
    const hour = (observed.fromMs / 3_600_000) % 24;
    const sorted = sortRecords(observed);
    const quantity = (key: string, floorMs: number, values: readonly (number | null)[]) => {
      const present = values.filter((value): value is number => value !== null);
      return present.length === 0
        ? null
        : baselines.update(key, floorMs, bin, hour, median(present));
    };
    const hopsOf = (key: string, hops: readonly Hop[]): HopFeatures[] =>
      hops.flatMap(({ ttl, address, asn, rttMedianMs }) => {
        if (address === null || rttMedianMs === null) return [];
        const rtt = baselines.update(`${key} ${address}`, 0.8, bin, hour, rttMedianMs);
        return [{ ttl, address, asn: asn ?? null, rtt }];
      });
    return {
      bin,
      devices: devicesOf(sorted),
      apps: appsOf(sorted),
      onward: onwardOf(sorted),
    };

    function devicesOf({ device, tunnel, path }: Sorted): Map<string, DeviceFeatures> {
      const ids = [...new Set([...device.keys(), ...tunnel.keys()])].sort();
      return new Map(ids.map((id) => [id, oneDevice(id)]));

      function oneDevice(id: string): DeviceFeatures {
        const own = device.get(id) ?? [];
        const ups = tunnel.get(id) ?? [];
        const edgeId = ups.findLast((sample) => sample.edgeId !== null)?.edgeId ?? null;
        if (edgeId !== null) edgeOf.set(id, edgeId);
        const newest = own.at(-1);
        const trace = path.get(id)?.findLast((run) => isToEdge(run));
        const lossOf = (name: string, sent: number, lost: number) =>
          losses.add(`${name} ${id}`, bin, sent, lost);
        return {
          deviceId: id,
          edgeId: edgeId ?? edgeOf.get(id) ?? null,
          siteId: newest?.gateway?.siteId ?? id,
          lag: quantity(
            `lag ${id}`,
            0.4,
            own.map((sample) => sample.eventLoopDelayMs),
          ),
          gateway: quantity(
            `gw ${id}`,
            0.6,
            own.map((sample) => sample.gateway?.rttMs ?? null),
          ),
          underlay: quantity(
            `echo ${id}`,
            0.8,
            ups.map((sample) => sample.underlayRttMs),
          ),
          tunnel: quantity(
            `tun ${id}`,
            0.8,
            ups.map((sample) => sample.controlRttMs),
          ),
          queue: quantity(
            `queue ${id}`,
            0.3,
            ups.map((sample) => sample.queueMs),
          ),
          hops: trace === undefined ? [] : hopsOf(`leg1 ${id}`, trace.body.hops),
          gatewayLossRatio: lossOf(
            'gw',
            100 * own.length,
            sum(own.map((sample) => 100 * (sample.gateway?.lossRatio ?? 0))),
          ),
          tunnelLossRatio: lossOf(
            'tun',
            sum(ups.map((sample) => sample.pingSentCount)),
            sum(ups.map((sample) => sample.pingLostCount)),
          ),
          cpuRatio: newest?.cpuRatio ?? 0,
          memoryRatio: newest?.memoryUsedRatio ?? 0,
        };
      }
    }

    function appsOf({ http, page, path }: Sorted): AppFeatures[] {
      const keys = [...new Set([...http.keys(), ...page.keys()])].sort();
      return keys.map((key) => oneApp(key, http.get(key) ?? [], page.get(key) ?? []));

      function oneApp(key: string, all: HttpResult[], loads: PageLoadResult[]): AppFeatures {
        const tunnelled = all.filter((run) => run.via === 'tunnel');
        const runs = tunnelled.length > 0 ? tunnelled : all;
        const good = runs.filter((run) => run.availability === 1);
        const newest = runs.at(-1) ?? loads.at(-1);
        const splits = good.map(splitOf);
        const [deviceId = '', appId = ''] = key.split(' ');
        const total = quantity(
          `total ${key}`,
          10,
          splits.map(({ totalMs }) => totalMs),
        );
        const parts = Object.fromEntries(
          partNames.flatMap((name) => {
            const value = quantity(
              `${name} ${key}`,
              1,
              splits.map((split) => split.parts[name] ?? null),
            );
            return value === null ? [] : [[name, value]];
          }),
        );
        const straight = newest?.via === 'direct';
        const trace = path.get(deviceId)?.findLast((run) => run.appId === appId && !isToEdge(run));
        const shown = pageOf(key, loads, total);
        return {
          deviceId,
          appId,
          edgeId: straight ? null : (newest?.edgeId ?? null),
          frontEnd: splits.at(-1)?.frontEnd ?? null,
          failureType: good.length === 0 ? (runs.at(-1)?.failure?.type ?? null) : null,
          total,
          parts,
          legs: {
            first: 3 + (straight ? (splits.at(-1)?.rounds ?? 0) : 0),
            second: 3 + (splits.at(-1)?.rounds ?? 0),
          },
          hops: trace === undefined ? [] : hopsOf(`direct ${key}`, trace.body.hops),
          page: shown,
          isSlow: total !== null && isOff(total, 40, 0.12),
          isPageSlow: shown !== null && isOff(shown.lcp, 100, 0.12),
        };
      }
    }

    /** Pages are loaded in every third bin or so; a load stands until the next one. */
    function pageOf(key: string, loads: PageLoadResult[], total: Quantity | null) {
      const load = loads.findLast((run) => run.availability === 1 && run.body.lcpMs !== null);
      if (load !== undefined) pages.set(key, { bin, page: pageFeatures(key, load, total) });
      const known = pages.get(key);
      return known !== undefined && bin - known.bin <= 3 ? known.page : null;
    }

    function pageFeatures(key: string, load: PageLoadResult, total: Quantity | null): PageFeatures {
      const lcpMs = load.body.lcpMs ?? 0;
      const third = load.body.hosts
        ?.filter((host) => host.isThirdParty)
        .map(({ host, longestMs }) => ({
          host,
          longest: baselines.update(`third ${key} ${host}`, 10, bin, hour, longestMs),
        }))
        .reduce((most, one) => (one.longest.deltaMs > most.longest.deltaMs ? one : most));
      const renderMs = lcpMs - (load.body.ttfbMs ?? total?.nowMs ?? 0);
      return {
        lcp: baselines.update(`lcp ${key}`, 20, bin, hour, lcpMs),
        render: baselines.update(`render ${key}`, 20, bin, hour, renderMs),
        thirdParty: third ?? null,
      };
    }

    function onwardOf({ onward }: Sorted): Map<string, OnwardFeatures> {
      return new Map(
        [...onward].map(([key, samples]) => [
          key,
          {
            connect: quantity(
              `connect ${key}`,
              0.5,
              samples.map((sample) => sample.connectMs),
            ),
            hops: hopsOf(`leg2 ${key}`, samples.at(-1)?.path?.hops ?? []),
          },
        ]),
      );
    }
  };
};

type Sorted = {
  device: Map<string, DeviceSample[]>;
  tunnel: Map<string, TunnelSample[]>;
  path: Map<string, PathResult[]>;
  http: Map<string, HttpResult[]>;
  page: Map<string, PageLoadResult[]>;
  onward: Map<string, OnwardSample[]>;
};

const sortRecords = ({ records }: Observed): Sorted => {
  const sorted: Sorted = {
    device: new Map(),
    tunnel: new Map(),
    path: new Map(),
    http: new Map(),
    page: new Map(),
    onward: new Map(),
  };
  for (const record of records) {
    if (record.kind === 'device') put(sorted.device, record.deviceId, record);
    else if (record.kind === 'tunnel') put(sorted.tunnel, record.deviceId, record);
    else if (record.kind === 'onward')
      put(sorted.onward, `${record.edgeId} ${record.appId}`, record);
    else if (record.kind !== 'result' || !isUsable(record.distortion)) continue;
    else if (record.type === 'path') put(sorted.path, record.deviceId, record);
    else if (record.type === 'http') put(sorted.http, `${record.deviceId} ${record.appId}`, record);
    else if (record.type === 'page-load')
      put(sorted.page, `${record.deviceId} ${record.appId}`, record);
  }
  return sorted;
};

/** These methods know nothing of a busy agent: what it measured counts as any other. */
const isUsable = (distortion: HttpResult['distortion']): boolean =>
  distortion === 'none' || distortion === 'agent-overloaded';

const put = <T>(into: Map<string, T[]>, key: string, value: T): void => {
  const known = into.get(key);
  if (known === undefined) into.set(key, [value]);
  else known.push(value);
};

/** The phases of one run, with what crossings take of them taken out. */
const splitOf = ({ body, via }: HttpResult) => {
  const last = body.exchanges.at(-1);
  const phases = last?.phases;
  const rounds = Math.max(0, Math.ceil(Math.log2(1 + (last?.bodyBytes ?? 0) / 14_600)) - 1);
  const edge = last?.edge ?? null;
  const connectMs = via === 'direct' ? (phases?.connectMs ?? null) : (edge?.connectMs ?? null);
  const inEdgeMs = (edge?.queueMs ?? 0) + (edge?.dnsMs ?? 0) + (edge?.connectMs ?? 0);
  const proxyMs = phases?.proxyConnectMs ?? null;
  const tripMs =
    via === 'direct' ? connectMs : proxyMs === null || edge === null ? null : proxyMs - inEdgeMs;
  const wayMs =
    via === 'direct'
      ? connectMs
      : tripMs === null || connectMs === null
        ? null
        : tripMs + connectMs;
  const beyond = (phaseMs: number | null | undefined) =>
    wayMs === null || phaseMs === null || phaseMs === undefined ? null : phaseMs - wayMs;
  const parts: Record<PartName, number | null> = {
    trip: tripMs,
    'edge-queue': edge?.queueMs ?? null,
    dns: via === 'direct' ? (phases?.dnsMs ?? null) : (edge?.dnsMs ?? null),
    onward: via === 'direct' ? null : connectMs,
    tls: beyond(phases?.tlsMs),
    server: beyond(phases?.waitMs),
    transfer: phases?.receiveMs ?? null,
  };
  return {
    totalMs: last?.durationMs ?? null,
    parts,
    rounds,
    frontEnd: edge?.address ?? last?.remoteAddress ?? null,
  };
};

/** Two in a row: noticeable, a share of normal, and beyond the usual spread. */
const isOff = (value: Quantity, leastMs: number, leastShare: number): boolean => {
  const least = Math.max(leastMs, leastShare * value.normalMs, 2.5 * value.scaleMs);
  return value.ready && value.deltaMs > least && (value.formerDeltaMs ?? 0) > least;
};

/** Leg 1 is traced outside of the tunnel under an application of its own. */
const isToEdge = (run: PathResult): boolean => run.appId === edgeApplicationId;

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
