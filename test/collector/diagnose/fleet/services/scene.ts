import type {
  ApplicationView,
  BinView,
  Cell,
  CellPart,
  Delta,
  DeviceView,
  EdgeView,
  OnwardView,
  PageCell,
  TraceView,
} from '../../../../../collector/diagnose/fleet/bin-view.ts';

/** One bin written down as the engine sees it: what is not said is normal. */
export const sceneOf = (parts: {
  devices?: readonly Partial<DeviceView>[];
  cells?: readonly Cell[];
  edges?: readonly EdgeView[];
  onward?: readonly OnwardView[];
  pages?: readonly PageCell[];
}): BinView => {
  const devices = (parts.devices ?? []).map(deviceOf);
  return {
    fromMs: 0,
    toMs: 300_000,
    bin: 100,
    binMs: 300_000,
    active: devices.map((device) => device.index),
    hot: devices.filter((device) => device.isHot).map((device) => device.index),
    ailing: devices.map((device) => device.index),
    device: (index) => devices[index] as DeviceView,
    indexOf: (id) => devices.find((device) => device.deviceId === id)?.index,
    onward: parts.onward ?? [],
    cells: parts.cells ?? [],
    edges: parts.edges ?? [],
    pages: parts.pages ?? [],
  };
};

/** A quantity that is `riseMs` off its normal, in this bin and the one before. */
export const delta = (riseMs: number, more: Partial<Delta> = {}): Delta => ({
  nowMs: 50 + riseMs,
  normalMs: 50,
  fastMs: riseMs,
  scaleMs: 2,
  persistentMs: riseMs,
  persistentScaleMs: 1.7,
  meanMs: riseMs,
  meanScaleMs: 1.5,
  skewMs: 0,
  sampleCount: 20,
  ready: true,
  ...more,
});

export const cell = (
  part: CellPart,
  edgeId: string | null,
  appId: string,
  riseMs: number,
  more: Partial<Cell> & { count?: number; sudden?: true } = {},
): Cell => {
  const { count = 20, sudden, ...rest } = more;
  return {
    part,
    edgeId,
    appId,
    frontEnd: null,
    delta: delta(riseMs, { sampleCount: count, ...(sudden && { persistentMs: 0 }) }),
    sampleSpreadMs: 4,
    deviceCount: count,
    lasting: null,
    isYoung: false,
    ...rest,
  };
};

export const applicationView = (
  appId: string,
  more: Partial<ApplicationView> = {},
): ApplicationView => ({
  appId,
  via: 'tunnel',
  edgeId: 'ams',
  frontEnd: null,
  runCount: 1,
  okCount: 1,
  failureType: null,
  newestRun: null,
  total: delta(0),
  recentTotals: [0, 0, 0],
  directConnect: null,
  directTrace: null,
  roundTrips: { leg1: 4, leg2: 3, direct: 0 },
  render: null,
  pageTotal: null,
  ...more,
});

export const trace = (more: Partial<TraceView>): TraceView => ({
  signature: '',
  changedAtMs: null,
  hops: [],
  loss: null,
  rtt: null,
  mtuBlackHole: false,
  mtuBytes: null,
  ...more,
});

export const onwardView = (
  edgeId: string,
  appId: string,
  more: Partial<OnwardView> = {},
): OnwardView => ({
  edgeId,
  appId,
  frontEnd: null,
  connect: delta(0),
  dns: null,
  trace: null,
  loss: { sent: 100, lost: 0, recentLost: 0, normalRatio: 0 },
  ...more,
});

export const pageCell = (
  appId: string,
  riseMs: number,
  more: Partial<PageCell> = {},
): PageCell => ({
  appId,
  deviceCount: 12,
  render: delta(riseMs, { scaleMs: 6, persistentScaleMs: 5 }),
  ageBins: 0,
  thirdParties: [],
  ...more,
});

const deviceOf = (device: Partial<DeviceView>, index: number): DeviceView => ({
  index,
  deviceId: `device-${index}`,
  facts: {},
  edgeId: 'ams',
  siteId: undefined,
  asn: null,
  region: null,
  linkType: null,
  isHot: false,
  recentBins: 3,
  firstSeenMs: 0,
  lag: delta(0, { scaleMs: 0.5, persistentScaleMs: 0.4 }),
  lagExtraMs: 0,
  gateway: null,
  underlay: null,
  tunnel: delta(0),
  queue: null,
  runRoundTrip: null,
  sameFlow: true,
  gatewayLoss: null,
  underlayLoss: null,
  tunnelLoss: { sent: 100, lost: 0, recentLost: 0, normalRatio: 0 },
  cpuRatio: 0.2,
  memoryUsedRatio: 0.5,
  signalDbm: null,
  reconnectCount: 0,
  trace: null,
  applications: [],
  ...device,
});
