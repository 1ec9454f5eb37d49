import type { CauseElement, CauseScope, Segment } from '#contract/verdict.ts';
import type { InferOptions } from '../accepted.ts';
import type { BinView, DeviceView, OnwardView } from '../bin-view.ts';
import { markedEdge, markedSite } from '../marked-ids.ts';
import { excessLoss } from './disturbance.ts';
import { elementOf } from './group.ts';
import { type HangingPair, hangingPairs, type Pair, pairsOf } from './hanging.ts';

/** Of those who tried, so many must hang. */
const mostOf = 0.8;
/** One application that hangs is its server; two behind different addresses are the way to them. */
const applicationsForWay = 2;

/** A way on which small packets pass and whatever is larger hangs. Nobody tested it. */
export type HangingWay = {
  element: CauseElement;
  segment: Segment;
  scope: CauseScope;
  pairs: readonly HangingPair[];
  triedCount: number;
  /** What passes although the large does not. */
  passes: string;
};

/** What nobody has explained of the pairs that hang after connecting. */
export const findHangingWays = (
  view: BinView,
  isExplained: (pair: HangingPair) => boolean,
  options: InferOptions,
): HangingWay[] => {
  const { hanging, tried } = hangingPairs(view);
  const open = hanging.filter((pair) => !isExplained(pair));
  if (open.length === 0) return [];
  const behind = behindEdges(view, open, tried);
  const explained = new Set(behind.flatMap((way) => way.pairs));
  return [
    ...behind,
    ...beforeEdges(
      view,
      open.filter((pair) => !explained.has(pair)),
      options,
    ),
  ];
};

/** Leg 2: what hangs from one edge, and nowhere else. */
const behindEdges = (
  view: BinView,
  hanging: readonly HangingPair[],
  tried: readonly Pair[],
): HangingWay[] =>
  edgesOf(hanging).flatMap((edgeId): HangingWay[] => {
    const here = hanging.filter((pair) => pair.edgeId === edgeId);
    const ways = view.onward.filter((way) => way.edgeId === edgeId);
    const appIds = new Set(
      appsThatHang(here, tried, edgeId).filter((appId) =>
        ways.every((way) => way.appId !== appId || smallPasses(way)),
      ),
    );
    const pairs = here.filter((pair) => appIds.has(pair.appId));
    const places = new Set(pairs.map((pair) => pair.frontEnd ?? pair.appId));
    if (places.size < applicationsForWay) return [];
    const name = `the ways from ${markedEdge(edgeId)} to ${places.size} applications`;
    return [
      {
        element: elementOf(`${edgeId}>`, name),
        segment: 'edge-origin',
        scope: 'edge',
        pairs,
        triedCount: tried.filter((pair) => pair.edgeId === edgeId && appIds.has(pair.appId)).length,
        passes: `TCP handshakes from ${markedEdge(edgeId)}`,
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
): HangingWay[] => {
  const byDevice = new Map<number, HangingPair[]>();
  for (const pair of hanging) {
    if (pair.edgeId === null) continue;
    byDevice.set(pair.deviceIndex, [...(byDevice.get(pair.deviceIndex) ?? []), pair]);
  }
  const groups = new Map<string, { devices: DeviceView[]; pairs: HangingPair[] }>();
  for (const [deviceIndex, pairs] of byDevice) {
    const device = view.device(deviceIndex);
    const tunnelled = pairsOf(view, deviceIndex).filter((pair) => pair.edgeId !== null);
    if (share(tunnelled) < 1 || !isSeveral(pairs) || !pingsPass(device)) continue;
    const key = fleet && device.siteId !== undefined ? `site ${device.siteId}` : device.deviceId;
    const group = groups.get(key) ?? { devices: [], pairs: [] };
    groups.set(key, group);
    group.devices.push(device);
    group.pairs.push(...pairs);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { devices, pairs }]) => beforeEdge(devices, pairs));
};

const isSeveral = (pairs: readonly Pair[]): boolean =>
  new Set(pairs.map((pair) => pair.appId)).size >= applicationsForWay;

const pingsPass = ({ tunnel, tunnelLoss }: DeviceView): boolean =>
  tunnel !== null && excessLoss(tunnelLoss) === 0;

const beforeEdge = (devices: readonly DeviceView[], pairs: readonly HangingPair[]): HangingWay => {
  const [first] = devices as [DeviceView];
  const isSite = devices.length > 1;
  const who = isSite
    ? markedSite(first.siteId ?? '')
    : (first.facts.name ?? `device ${first.deviceId.slice(0, 8)}`);
  const id = isSite ? first.siteId : first.deviceId;
  return {
    element: elementOf(
      `${id}>${first.edgeId}`,
      `the way from ${who} to ${markedEdge(first.edgeId)}`,
    ),
    segment: 'client-edge',
    scope: isSite ? 'site' : 'device',
    pairs,
    triedCount: pairs.length,
    passes: 'Pings in the tunnel',
  };
};
