import type {
  ApplicationView,
  BinView,
  Delta,
  DeviceView,
  LossCount,
  OnwardView,
  TraceView,
} from '#collector/diagnose/fleet/bin-view.ts';

/** Bins written by hand: what is added to a calm fleet of one application behind one or more edges. */

export const delta = (addedMs: number, scaleMs = 0.8, normalMs = 20): Delta => ({
  nowMs: normalMs + addedMs,
  normalMs,
  fastMs: addedMs,
  scaleMs,
  persistentMs: addedMs,
  persistentScaleMs: 0.83 * scaleMs,
  meanMs: addedMs,
  meanScaleMs: 0.75 * scaleMs,
  skewMs: 0,
  sampleCount: 10,
  ready: true,
});

/** Only in this bin: the former one was calm. */
export const fresh = (addedMs: number, scaleMs = 0.8): Delta => ({
  ...delta(addedMs, scaleMs),
  persistentMs: 0,
  meanMs: addedMs / 2,
});

export const loss = (sent: number, lost: number): LossCount => ({
  sent,
  lost,
  recentLost: lost,
  normalRatio: 0.001,
});

type HopAdded = { address: string | null; addedMs?: number; lost?: number; asn?: number };

export const trace = (hops: readonly HopAdded[], endAddedMs: number): TraceView => ({
  signature: hops.map(({ address }) => address ?? '*').join(),
  changedAtMs: null,
  hops: hops.map(({ address, addedMs = 0, lost = 0, asn }, at) => ({
    ttl: at + 1,
    address,
    asn: asn ?? 64_500 + at,
    sentCount: 3,
    receivedCount: address === null ? 0 : 3,
    rttMedianMs: null,
    rttMinMs: null,
    delta: address === null ? null : { ...delta(addedMs), normalMs: 3 * at + 2 },
    answers: address === null ? 0 : 1,
    loss: address === null ? null : loss(18, lost),
  })),
  loss: loss(18, 0),
  rtt: delta(endAddedMs),
  mtuBlackHole: false,
  mtuBytes: null,
});

export const application = (appId: string, edgeId: string | null): ApplicationView => ({
  appId,
  via: edgeId === null ? 'direct' : 'tunnel',
  edgeId,
  frontEnd: `203.0.113.${appId.length}`,
  runCount: 1,
  okCount: 1,
  failureType: null,
  newestRun: null,
  total: delta(0, 10, 400),
  recentTotals: [0, 0, 0],
  directConnect: edgeId === null ? delta(0) : null,
  directTrace: null,
  roundTrips: { leg1: 5, leg2: 3, direct: 4 },
  render: null,
  pageTotal: null,
});

/** A calm device; `changes` say what is different. */
export const device = (
  index: number,
  changes: Partial<DeviceView> & { deviceId: string },
): DeviceView => ({
  index,
  facts: {},
  edgeId: 'north',
  siteId: undefined,
  asn: 64_500,
  region: 'west',
  linkType: 'wifi',
  isHot: true,
  recentBins: 3,
  firstSeenMs: 0,
  lag: delta(0, 0.4, 1),
  lagExtraMs: 0,
  gateway: delta(0, 0.6, 2),
  underlay: delta(0),
  tunnel: delta(0),
  queue: delta(0, 0.3, 0.2),
  runRoundTrip: null,
  sameFlow: true,
  gatewayLoss: loss(60, 0),
  underlayLoss: loss(60, 0),
  tunnelLoss: loss(120, 0),
  cpuRatio: 0.2,
  memoryUsedRatio: 0.5,
  signalDbm: -55,
  reconnectCount: 0,
  trace: null,
  applications: [application('mail', 'north')],
  ...changes,
});

export const view = (
  devices: readonly DeviceView[],
  onward: readonly OnwardView[] = [],
): BinView => ({
  fromMs: 0,
  toMs: 60_000,
  bin: 0,
  binMs: 60_000,
  active: devices.map(({ index }) => index),
  hot: devices.map(({ index }) => index),
  ailing: [],
  device: (index) => {
    const found = devices[index];
    if (found === undefined) throw new Error(`no device ${index}`);
    return found;
  },
  indexOf: (deviceId) => devices.find((each) => each.deviceId === deviceId)?.index,
  onward,
  cells: [],
  edges: [],
  pages: [],
});
