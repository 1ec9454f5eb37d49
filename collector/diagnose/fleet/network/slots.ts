import type { Delta, LossCount } from '../bin-view.ts';
import { isGatewayHop } from './chain.ts';
import { handshakeLoss, isHot, isLossHot } from './own.ts';
import type { Path, Unit } from './unit.ts';

/** How far one kind of measurement is to be believed. */
export type SlotKind = {
  name: string;
  /** Below 1: shares noise with others. */
  weight: number;
  /** Share of values that nothing on the path explains. */
  contamination: number;
  /** End to end: says how much a cause adds. */
  reference: boolean;
  /** Several samples and two bins are averaged, not the lesser taken. */
  averaged: boolean;
  lossWeight: number;
  /** Its losses are the path's own. */
  lossReference: boolean;
};

const endToEnd = {
  lossReference: true,
  contamination: 0.004,
  reference: true,
  averaged: false,
  lossWeight: 1,
};
const hopKind = {
  lossReference: false,
  contamination: 0.12,
  reference: false,
  averaged: true,
  lossWeight: 0.5,
};

const kinds = {
  gateway: { ...endToEnd, name: 'gateway', weight: 1 },
  underlay: { ...endToEnd, name: 'underlay', weight: 1 },
  tunnel: { ...endToEnd, name: 'tunnel', weight: 1 },
  /** Probes take another way than the tunnel: it may differ from everything else the device sees. */
  otherFlow: { ...endToEnd, name: 'tunnel', weight: 0.7, contamination: 0.08 },
  queue: { ...endToEnd, name: 'queue', weight: 1, contamination: 0.01 },
  run: { ...endToEnd, name: 'run', weight: 0.6, contamination: 0.03 },
  hop: { ...hopKind, name: 'hop', weight: 0.45 },
  /** The traced end answers itself: no router's slow path, but few samples. */
  end: {
    ...hopKind,
    name: 'end',
    weight: 0.6,
    contamination: 0.03,
    lossWeight: 1,
    lossReference: true,
  },
  /** Straight to the application: several packets say more than one handshake. */
  directEnd: { ...endToEnd, name: 'end', weight: 0.8, contamination: 0.02 },
  direct: { ...endToEnd, name: 'direct', weight: 0.6, contamination: 0.03 },
  onwardHop: { ...hopKind, name: 'onward hop', weight: 0.5 },
  onward: { ...endToEnd, name: 'onward', weight: 2, contamination: 0.002, lossWeight: 2 },
} as const satisfies Record<string, SlotKind>;

/** One measured quantity of one unit: what a cause may shift. */
export type Slot = {
  unit: Unit;
  kind: SlotKind;
  delta: Delta | null;
  loss: LossCount | null;
};

/** Where the slots of one unit are: in order along each path, and those beside. */
export type UnitSlots = {
  gateway: readonly number[];
  tunnel: readonly number[];
  queue: readonly number[];
  /** CONNECT of this bin's runs: the tunnel's round trip and its queue. */
  runs: readonly number[];
  /** All that a delay on the device's own link shifts. */
  timed: readonly number[];
  along: ReadonlyMap<Path, readonly Along[]>;
};

/** `elsewhere`: perhaps of another way (equal-cost paths), and clean, so that it clears nothing here. */
type Along = { ttl: number; slot: number; elsewhere?: boolean };

/** Takes in the measurements of a unit and says where they are. */
export const addSlots = (unit: Unit, slots: Slot[]): UnitSlots => {
  const add = (kind: SlotKind, delta: Delta | null, loss: LossCount | null): number[] => {
    if (delta === null && loss === null) return [];
    slots.push({ unit, kind, delta, loss });
    return [slots.length - 1];
  };
  return unit.device === null ? addOnward(unit, add) : addDevice(unit, add);
};

type Add = (kind: SlotKind, delta: Delta | null, loss: LossCount | null) => number[];

const addDevice = (unit: Unit, add: Add): UnitSlots => {
  const device = unit.device as NonNullable<Unit['device']>;
  const gateway = add(kinds.gateway, device.gateway, device.gatewayLoss);
  const underlay = add(kinds.underlay, device.underlay, device.underlayLoss);
  const tunnelKind = device.sameFlow ? kinds.tunnel : kinds.otherFlow;
  const through = add(tunnelKind, device.tunnel, device.tunnelLoss);
  const run = add(kinds.run, device.runRoundTrip, null);
  const queue = add(kinds.queue, device.queue, null);
  const tunnel = [...through, ...run];
  const elsewhere = !device.sameFlow && !isHot(device.tunnel) && !isLossHot(device.tunnelLoss);
  const along = new Map<Path, Along[]>();
  const timed = [...gateway, ...underlay, ...tunnel];
  for (const path of unit.paths) {
    const ends =
      path.leg === 'leg1'
        ? [...atEnd(underlay), ...atEnd(tunnel, elsewhere)]
        : directEnds(device, path, add);
    const measured = [...hopSlots(path, add, kinds.hop), ...ends];
    along.set(path, measured);
    for (const { slot } of measured) if (!timed.includes(slot)) timed.push(slot);
  }
  return { gateway, tunnel, queue, runs: run, timed, along };
};

const directEnds = (device: NonNullable<Unit['device']>, path: Path, add: Add): Along[] => {
  const application = device.applications.find((each) => each.appId === path.appId);
  const connect = application?.directConnect ?? null;
  return atEnd(add(kinds.direct, connect, null), !device.sameFlow && !isHot(connect));
};

const addOnward = (unit: Unit, add: Add): UnitSlots => {
  const path = unit.paths[0] as Path;
  const onward = unit.onward as NonNullable<Unit['onward']>;
  const ends = add(kinds.onward, onward.connect, handshakeLoss(onward.loss));
  const measured = [...hopSlots(path, add, kinds.onwardHop), ...atEnd(ends)];
  return {
    gateway: [],
    tunnel: [],
    queue: [],
    runs: [],
    timed: [],
    along: new Map([[path, measured]]),
  };
};

const atEnd = (ends: readonly number[], elsewhere = false): Along[] =>
  ends.map((slot) => ({ ttl: Number.POSITIVE_INFINITY, slot, elsewhere }));

/** The gateway's own answer to a trace stands before the chain: only what is before it shifts it. */
const hopSlots = (path: Path, add: Add, kind: SlotKind) => {
  const hops = path.trace?.hops ?? [];
  return hops.flatMap((hop, at) => {
    const isEnd = path.reached && at === hops.length - 1;
    const loss = isEnd ? (path.trace?.loss ?? hop.loss) : hop.loss;
    const delta = hop.delta?.ready ? hop.delta : null;
    const ttl = path.leg !== 'onward' && isGatewayHop(hop) ? 0 : hop.ttl;
    const endKind = path.leg === 'direct' ? kinds.directEnd : kinds.end;
    return add(isEnd ? endKind : kind, delta, loss).map((slot) => ({ ttl, slot }));
  });
};

/** Everything measured at or behind a position that all ways of a unit have in common. */
export const behind = (slots: UnitSlots, path: Path, ttl: number): number[] =>
  (slots.along.get(path) ?? []).flatMap((each) => (each.ttl >= ttl ? [each.slot] : []));

/** The same for a position that only this way may have. */
export const behindHere = (slots: UnitSlots, path: Path, ttl: number): number[] =>
  (slots.along.get(path) ?? []).flatMap((each) =>
    each.ttl >= ttl && each.elsewhere !== true ? [each.slot] : [],
  );
