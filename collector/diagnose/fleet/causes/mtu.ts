import { median } from '../../statistics.ts';
import { sayCount, sayMs } from '../../wording.ts';
import type { Accepted, EvidenceLine, InferOptions } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import { applicationOf } from '../services/accepted-cells.ts';
import { elementOf } from '../services/group.ts';
import { isHanging } from '../services/hanging.ts';
import { findHangingWays, type HangingWay } from '../services/hanging-ways.ts';
import { createOwnExcess } from '../services/own-excess.ts';
import { placeKey, placeOf } from '../services/place.ts';
import type { Hole } from '../services/tested-ways.ts';

/**
 * A run that never ends is ranked above any delay, and above "its server does not answer": that is
 * what the hole looks like from one application alone.
 */
const hangingCostMs = 12_000;
/** Senders that find out by themselves (RFC 4821) lose a timeout and more; below, it is no hole. */
const leastMs = 60;
/** Found by packets of growing size, or only from what hangs and what does not. */
const gainNats = { measured: 12, inferred: 3, perPair: 1.5, mostPairs: 8 } as const;

/**
 * A way that swallows large packets without a word: pings and handshakes pass, whatever is longer
 * hangs or waits. On ways that were tested the test says so; on others, that small passes and large
 * does not.
 */
export const inferMtuHoles = (
  view: BinView,
  holes: readonly Hole[],
  options: InferOptions,
): Accepted[] => {
  const measured = holes.map((hole) => acceptMeasured(view, hole));
  const isExplained = (deviceIndex: number, appId: string): boolean =>
    measured.some((cause) => cause !== null && cause.costMs(deviceIndex, appId) > 0);
  const hanging = findHangingWays(
    view,
    ({ deviceIndex, appId }) => isExplained(deviceIndex, appId),
    options,
  );
  return [
    ...measured.filter((cause) => cause !== null),
    ...hanging.map((way) => acceptHanging(view, way)),
  ];
};

/** Null: large packets vanish there, and nobody feels it. */
const acceptMeasured = (view: BinView, hole: Hole): Accepted | null => {
  const costOf = createCosts(view, hole);
  const felt = view.ailing.flatMap((index) => {
    const device = view.device(index);
    return device.applications.map((app) => costOf(device, app)).filter((ms) => ms > 0);
  });
  const addedMs = median(felt);
  if (addedMs === null) return null;
  const isFailure = addedMs >= hangingCostMs;
  const { leg, from, to, bytes, swallowedCount, passedCount } = hole;
  const name = from === null ? `the way to ${to}` : `between ${from} and ${to}`;
  const element = { ...elementOf(`${from ?? ''}>${to}`, name), from, to };
  const gain = gainNats.measured + gainNats.perPair * Math.min(gainNats.mostPairs, felt.length);
  return {
    key: `mtu:${element.id}:${isFailure ? 'failure' : 'delay'}`,
    family: 'mtu',
    kind: isFailure ? 'failure' : 'delay',
    segment: leg,
    element,
    scope: 'network',
    addedMs,
    lossRatio: null,
    gainNats: gain,
    marginNats: gain,
    runnerUp: null,
    observerCount: swallowedCount + passedCount,
    healthyCount: passedCount,
    pass: 'persistent',
    costMs: (deviceIndex, appId) => {
      const app = applicationOf(view, deviceIndex, appId);
      return app === undefined ? 0 : costOf(view.device(deviceIndex), app);
    },
    elementFor: () => element,
    evidenceFor: (deviceIndex, appId) => {
      const app = applicationOf(view, deviceIndex, appId);
      const ms = app === undefined ? 0 : costOf(view.device(deviceIndex), app);
      return [
        {
          finding: 'against',
          text: `Packets above ${bytes === null ? 'a certain size' : `${bytes} bytes`} vanish ${from === null ? 'on ' : ''}${name}, and no router says so${ms >= hangingCostMs ? ': what is longer hangs' : `: what is long takes ${sayMs(ms)} longer`}.`,
          value: bytes,
          baseline: null,
          unit: bytes === null ? '' : 'bytes',
        },
        {
          finding: passedCount > 0 ? 'cleared' : 'context',
          text: `${sayCount(swallowedCount, 'tested way')} with it ${swallowedCount === 1 ? 'swallows' : 'swallow'} large packets, ${passedCount} without it ${passedCount === 1 ? 'does' : 'do'} not.`,
          value: swallowedCount,
          baseline: passedCount,
          unit: 'ways',
        },
      ];
    },
  };
};

/** What a hole costs whoever goes through it: seen at the place by all, else by the device alone. */
const createCosts = (view: BinView, hole: Hole) => {
  const risesMs = new Map<string, number>();
  for (const cell of view.cells) {
    if (cell.part !== 'tls' || !cell.delta.ready) continue;
    if (cell.delta.fastMs < leastMs || !hole.isAt(cell)) continue;
    for (const key of [placeKey(cell), placeKey({ ...cell, frontEnd: null })]) {
      risesMs.set(key, Math.max(risesMs.get(key) ?? 0, cell.delta.fastMs));
    }
  }
  // All who share a place may go through the hole: it is in what everyone there takes.
  const excessOf = createOwnExcess(view, 'normal');
  return (device: DeviceView, app: ApplicationView): number => {
    if (!hole.isOn(device, app)) return 0;
    if (isHanging(app)) return hangingCostMs;
    const place = placeOf(app);
    if (hole.isAt(place)) return risesMs.get(placeKey(place)) ?? 0;
    const { tlsMs, transferMs } = excessOf(app);
    const ownMs = Math.max(0, tlsMs ?? 0) + Math.max(0, transferMs ?? 0);
    return ownMs >= leastMs && (app.total?.fastMs ?? 0) >= ownMs / 2 ? ownMs : 0;
  };
};

const acceptHanging = (
  view: BinView,
  { element, segment, scope, pairs, triedCount, passes }: HangingWay,
): Accepted => {
  const hit = new Set(pairs.map((pair) => `${pair.deviceIndex} ${pair.appId}`));
  const gain = gainNats.inferred + gainNats.perPair * Math.min(gainNats.mostPairs, pairs.length);
  const types = [...new Set(pairs.map((pair) => pair.failureType))].sort();
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
    marginNats: gain / 2,
    runnerUp: null,
    observerCount: triedCount,
    healthyCount: triedCount - pairs.length,
    pass: 'persistent',
    costMs: (deviceIndex, appId) =>
      hit.has(`${deviceIndex} ${appId}`) && applicationOf(view, deviceIndex, appId) !== undefined
        ? hangingCostMs
        : 0,
    elementFor: () => element,
    evidenceFor: () => hangingEvidence(passes, types, pairs.length, triedCount),
  };
};

const hangingEvidence = (
  passes: string,
  types: readonly string[],
  hangingCount: number,
  triedCount: number,
): EvidenceLine[] => [
  {
    finding: 'against',
    text: `${passes} pass without loss, and what is larger hangs: ${types.join(', ')}.`,
    value: null,
    baseline: null,
    unit: '',
  },
  {
    finding: 'context',
    text: `${hangingCount} of ${sayCount(triedCount, 'pair')} of device and application that go this way hang.`,
    value: hangingCount,
    baseline: triedCount,
    unit: '',
  },
];
