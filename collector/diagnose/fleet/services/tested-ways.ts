import type { ApplicationView, BinView, DeviceView, TraceView } from '../bin-view.ts';
import { type Place, placeKey, placeOf } from './place.ts';

/** A way that was asked with large packets, hop by hop as far as hops answer. */
type TestedWay = {
  key: string;
  leg: 'client-edge' | 'edge-origin';
  /** Its beginning, then the addresses that answer. */
  nodes: readonly string[];
  bytes: number | null;
  swallows: boolean;
};

/** The stretch that ways have in common which swallow large packets, and ways that do not go. */
export type Hole = {
  leg: TestedWay['leg'];
  /** Addresses; null: the way's own beginning. */
  from: string | null;
  to: string;
  bytes: number | null;
  swallowedCount: number;
  passedCount: number;
  /** Whether what this device loads goes through it. */
  isOn(device: DeviceView, application: ApplicationView): boolean;
  /** Whether everything that is met at a place behind an edge does. */
  isAt(place: Place): boolean;
};

/** Views of devices are dear: so many of those that are well tell where large packets pass. */
const devicesAsked = 500;

/** Every way with a hole is explained by one stretch; a stretch with a way that passes is none. */
export const findHoles = (view: BinView): Hole[] => {
  const behind = waysBehindEdges(view);
  const own = view.ailing.flatMap((index) => waysOf(view.device(index)));
  if (![...behind, ...own].some((way) => way.swallows)) return [];
  const step = Math.max(1, Math.floor(view.active.length / devicesAsked));
  const sampled = view.active
    .filter((_, at) => at % step === 0)
    .flatMap((index) => waysOf(view.device(index)));
  const ways = new Map([...sampled, ...own, ...behind].map((way) => [way.key, way]));
  return explain([...ways.values()].sort((a, b) => (a.key < b.key ? -1 : 1)));
};

const waysBehindEdges = (view: BinView): TestedWay[] =>
  view.onward.flatMap((onward) =>
    tested(`behind ${placeKey(onward)}`, 'edge-origin', `edge ${onward.edgeId}`, onward.trace),
  );

const waysOf = (device: DeviceView): TestedWay[] => [
  ...tested(keyBefore(device), 'client-edge', `device ${device.deviceId}`, device.trace),
  ...device.applications.flatMap((app) =>
    tested(keyStraight(device, app), 'client-edge', `device ${device.deviceId}`, app.directTrace),
  ),
];
const keyBefore = (device: DeviceView): string => `before ${device.deviceId}`;
const keyStraight = (device: DeviceView, app: ApplicationView): string =>
  `straight ${device.deviceId}\n${app.appId}`;

const tested = (
  key: string,
  leg: TestedWay['leg'],
  start: string,
  trace: TraceView | null,
): TestedWay[] => {
  if (trace === null || (trace.mtuBytes === null && !trace.mtuBlackHole)) return [];
  const answering = trace.hops.map(({ address }) => address).filter((each) => each !== null);
  const nodes = [start, ...answering];
  return nodes.length < 2
    ? []
    : [{ key, leg, nodes, bytes: trace.mtuBytes, swallows: trace.mtuBlackHole }];
};

const linksOf = ({ nodes }: TestedWay): string[] =>
  nodes.slice(1).map((node, at) => `${nodes[at]}>${node}`);

const explain = (ways: readonly TestedWay[]): Hole[] => {
  const passed = ways.filter((way) => !way.swallows);
  const passes = countLinks(passed);
  const holes: Hole[] = [];
  let left = ways.filter((way) => way.swallows);
  while (left.length > 0) {
    const suspects = countLinks(left);
    for (const link of passes.keys()) suspects.delete(link);
    const most = Math.max(0, ...suspects.values());
    // Nothing that only they share: the tests contradict each other, or the link hides.
    if (most === 0) break;
    const first = left.find((way) => linksOf(way).some((link) => suspects.get(link) === most));
    if (first === undefined) break;
    const common = linksOf(first).filter((link) => suspects.get(link) === most);
    const covered = left.filter((way) => linksOf(way).some((link) => common.includes(link)));
    holes.push(holeOf(first, common, covered, passed));
    left = left.filter((way) => !covered.includes(way));
  }
  return holes;
};

const countLinks = (ways: readonly TestedWay[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const way of ways) {
    for (const link of linksOf(way)) counts.set(link, (counts.get(link) ?? 0) + 1);
  }
  return counts;
};

const holeOf = (
  way: TestedWay,
  common: readonly string[],
  covered: readonly TestedWay[],
  passed: readonly TestedWay[],
): Hole => {
  const links = linksOf(way);
  const begin = links.indexOf(common[0] ?? '');
  const end = links.indexOf(common.at(-1) ?? '');
  const keys = new Set(covered.map(({ key }) => key));
  const passing = new Set(passed.map(({ key }) => key));
  // Where the address that served a run is not known: as all ways to the application, if they agree.
  const isBehind = (place: Place): boolean => {
    const exact = `behind ${placeKey(place)}`;
    if (keys.has(exact)) return true;
    if (place.frontEnd !== null)
      return keys.has(`behind ${placeKey({ ...place, frontEnd: null })}`);
    const known = (set: ReadonlySet<string>) => [...set].some((key) => key.startsWith(exact));
    return known(keys) && !known(passing);
  };
  return {
    leg: way.leg,
    from: begin === 0 ? null : (way.nodes[begin] ?? null),
    to: way.nodes[end + 1] ?? '',
    bytes: way.bytes,
    swallowedCount: covered.length,
    passedCount: passed.length,
    isOn: (device, app) =>
      app.via === 'direct'
        ? keys.has(keyStraight(device, app))
        : keys.has(keyBefore(device)) || isBehind(placeOf(app)),
    isAt: (place) => place.edgeId !== null && isBehind(place),
  };
};
