import type { CauseElement, CauseScope, Segment } from '#contract/verdict.ts';
import { sayCount } from '../../wording.ts';
import type { Accepted, EvidenceLine, InferOptions } from '../accepted.ts';
import type { BinView, DeviceView, OnwardView } from '../bin-view.ts';
import { applicationOf } from '../services/accepted-cells.ts';
import { excessLoss } from '../services/disturbance.ts';
import { elementOf } from '../services/group.ts';
import { type HangingPair, hangingPairs, type Pair, pairsOf } from '../services/hanging.ts';

/**
 * A run that never ends is ranked above any delay, and above "its server does not answer": that is
 * what the hole looks like from one application alone.
 */
const hangingCostMs = 12_000;
/** Found by packets of growing size, or only from what hangs and what does not. */
const gainNats = { measured: 12, inferred: 3, perPair: 1.5, mostPairs: 8 } as const;
/** Of those who tried, so many must hang. */
const mostOf = 0.8;
/** One application that hangs is its server; two behind different addresses are the way to them. */
const applicationsForWay = 2;

/**
 * A way that swallows large packets without a word: pings and handshakes pass, whatever is longer
 * hangs. On a leg that was tested the test says so; on others, that small passes and large does not.
 */
export const inferMtuHoles = (
  view: BinView,
  _former: ReadonlySet<string>,
  options: InferOptions,
): Accepted[] => {
  const pairs = hangingPairs(view);
  if (pairs.hanging.length === 0) return [];
  const behind = behindEdges(view, pairs.hanging, pairs.tried);
  const explained = new Set(behind.flatMap((hole) => hole.pairs));
  const left = pairs.hanging.filter((pair) => !explained.has(pair));
  const before = beforeEdges(view, left, options);
  const straight = onStraightWays(view, left);
  return [...behind, ...before, ...straight].map((hole) => accept(view, hole));
};

type Hole = {
  element: CauseElement;
  segment: Segment;
  scope: CauseScope;
  pairs: readonly HangingPair[];
  triedCount: number;
  bytes: number | null;
  measured: boolean;
  /** What passes although the large does not. */
  passes: string;
};

/** Leg 2: what hangs from one edge, and nowhere else. */
const behindEdges = (
  view: BinView,
  hanging: readonly HangingPair[],
  tried: readonly Pair[],
): Hole[] =>
  edgesOf(hanging).flatMap((edgeId): Hole[] => {
    const here = hanging.filter((pair) => pair.edgeId === edgeId);
    const ways = view.onward.filter((way) => way.edgeId === edgeId);
    const measured = ways.filter((way) => way.trace?.mtuBlackHole === true);
    const appIds = new Set(
      measured.length > 0
        ? measured.map((way) => way.appId)
        : appsThatHang(here, tried, edgeId).filter((appId) =>
            ways.every((way) => way.appId !== appId || smallPasses(way)),
          ),
    );
    const pairs = here.filter((pair) => appIds.has(pair.appId));
    const places = new Set(pairs.map((pair) => pair.frontEnd ?? pair.appId));
    if (pairs.length === 0) return [];
    if (measured.length === 0 && places.size < applicationsForWay) return [];
    const far = places.size === 1 ? [...places][0] : undefined;
    const element =
      far === undefined
        ? elementOf(`${edgeId}>`, `the ways from edge ${edgeId} to ${places.size} applications`)
        : { ...elementOf(`${edgeId}>${far}`, `the way from edge ${edgeId} to ${far}`), to: far };
    return [
      {
        element,
        segment: 'edge-origin',
        scope: 'edge',
        pairs,
        triedCount: tried.filter((pair) => pair.edgeId === edgeId && appIds.has(pair.appId)).length,
        bytes: measured[0]?.trace?.mtuBytes ?? null,
        measured: measured.length > 0,
        passes: `TCP handshakes from edge ${edgeId}`,
      },
    ];
  });

const edgesOf = (pairs: readonly Pair[]): string[] =>
  [...new Set(pairs.map((pair) => pair.edgeId).filter((id) => id !== null))].sort();

/** Applications that hang for most from this edge, and not for most from others. */
const appsThatHang = (
  here: readonly HangingPair[],
  tried: readonly Pair[],
  edgeId: string,
): string[] =>
  [...new Set(here.map((pair) => pair.appId))].filter((appId) => {
    const ofApp = tried.filter((pair) => pair.appId === appId);
    const fromHere = ofApp.filter((pair) => pair.edgeId === edgeId);
    const elsewhere = ofApp.filter((pair) => pair.edgeId !== edgeId);
    return share(fromHere) >= mostOf && (elsewhere.length === 0 || share(elsewhere) < 1 - mostOf);
  });

const share = (pairs: readonly Pair[]): number =>
  pairs.filter((pair) => pair.hangs).length / Math.max(1, pairs.length);

const smallPasses = ({ connect, loss }: OnwardView): boolean =>
  connect !== null && excessLoss(loss) === 0;

/** Leg 1: everything through one device's tunnel hangs, while its pings come back. */
const beforeEdges = (
  view: BinView,
  hanging: readonly HangingPair[],
  { fleet }: InferOptions,
): Hole[] => {
  const byDevice = new Map<number, HangingPair[]>();
  for (const pair of hanging) {
    if (pair.edgeId === null) continue;
    byDevice.set(pair.deviceIndex, [...(byDevice.get(pair.deviceIndex) ?? []), pair]);
  }
  const groups = new Map<string, { devices: DeviceView[]; pairs: HangingPair[] }>();
  for (const [deviceIndex, pairs] of byDevice) {
    const device = view.device(deviceIndex);
    const ofDevice = pairsOf(view, deviceIndex).filter((pair) => pair.edgeId !== null);
    const measured = device.trace?.mtuBlackHole === true;
    if (!measured && !(share(ofDevice) === 1 && severalApps(pairs) && pingsPass(device))) continue;
    const key = fleet && device.siteId !== undefined ? `site ${device.siteId}` : device.deviceId;
    const group = groups.get(key) ?? { devices: [], pairs: [] };
    groups.set(key, group);
    group.devices.push(device);
    group.pairs.push(...pairs);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { devices, pairs }]) => holeBeforeEdge(devices, pairs));
};

const severalApps = (pairs: readonly Pair[]): boolean =>
  new Set(pairs.map((pair) => pair.appId)).size >= applicationsForWay;

const pingsPass = ({ tunnel, tunnelLoss }: DeviceView): boolean =>
  tunnel !== null && excessLoss(tunnelLoss) === 0;

const holeBeforeEdge = (devices: readonly DeviceView[], pairs: readonly HangingPair[]): Hole => {
  const [first] = devices as [DeviceView];
  const isSite = devices.length > 1;
  const who = isSite
    ? `site ${first.facts.site ?? first.siteId}`
    : (first.facts.name ?? `device ${first.deviceId.slice(0, 8)}`);
  const measured = devices.find((device) => device.trace?.mtuBlackHole === true);
  return {
    element: elementOf(
      `${isSite ? first.siteId : first.deviceId}>${first.edgeId}`,
      `the way from ${who} to edge ${first.edgeId}`,
    ),
    segment: 'client-edge',
    scope: isSite ? 'site' : 'device',
    pairs,
    triedCount: pairs.length,
    bytes: measured?.trace?.mtuBytes ?? null,
    measured: measured !== undefined,
    passes: 'Pings in the tunnel',
  };
};

/** Straight ways that were tested. */
const onStraightWays = (view: BinView, hanging: readonly HangingPair[]): Hole[] =>
  hanging
    .filter((pair) => pair.edgeId === null && pair.straightHole !== null)
    .map((pair) => ({
      element: elementOf(
        `${view.device(pair.deviceIndex).deviceId}>${pair.appId}`,
        `the way to ${pair.appId}`,
      ),
      segment: 'client-edge',
      scope: 'device',
      pairs: [pair],
      triedCount: 1,
      bytes: pair.straightHole?.bytes ?? null,
      measured: true,
      passes: 'Small packets',
    }));

const accept = (view: BinView, hole: Hole): Accepted => {
  const { element, segment, scope, pairs, triedCount, measured } = hole;
  const hit = new Set(pairs.map((pair) => `${pair.deviceIndex} ${pair.appId}`));
  const gain =
    (measured ? gainNats.measured : gainNats.inferred) +
    gainNats.perPair * Math.min(gainNats.mostPairs, pairs.length);
  return {
    key: `mtu:${element.id}:failure`,
    family: 'mtu',
    kind: 'failure',
    segment,
    element,
    scope,
    addedMs: hangingCostMs,
    lossRatio: null,
    gainNats: gain,
    marginNats: measured ? gain : gain / 2,
    runnerUp: null,
    observerCount: triedCount,
    healthyCount: triedCount - pairs.length,
    pass: 'persistent',
    costMs: (deviceIndex, appId) =>
      hit.has(`${deviceIndex} ${appId}`) && applicationOf(view, deviceIndex, appId) !== undefined
        ? hangingCostMs
        : 0,
    elementFor: () => element,
    evidenceFor: () => evidenceOf(hole),
  };
};

const evidenceOf = ({ pairs, triedCount, bytes, measured, passes }: Hole): EvidenceLine[] => [
  {
    finding: 'against',
    text: measured
      ? `Packets above ${bytes === null ? 'a certain size' : `${bytes} bytes`} vanish on the way, and no router says so.`
      : `${passes} pass without loss, and what is larger hangs: ${[...new Set(pairs.map((pair) => pair.failureType))].sort().join(', ')}.`,
    value: bytes,
    baseline: null,
    unit: bytes === null ? '' : 'bytes',
  },
  {
    finding: 'context',
    text: `${pairs.length} of ${sayCount(triedCount, 'pair')} of device and application that go this way hang.`,
    value: pairs.length,
    baseline: triedCount,
    unit: '',
  },
];
