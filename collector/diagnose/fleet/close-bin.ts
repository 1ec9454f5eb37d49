import {
  type DayTime,
  dayTimeOf,
  kindAt,
  learnNewest,
  noteValue,
  readyAfter,
  scaleOf,
  subOf,
} from './baseline.ts';
import { at, slotOf } from './columns.ts';
import { countLosses, markFailing } from './count-losses.ts';
import { evictUnused } from './evict.ts';
import type { FleetState } from './fleet-state.ts';
import {
  eachKey,
  groupSamples,
  joined,
  type KeySamples,
  statisticOf,
  trimmedMeanOf,
} from './grouped.ts';
import { noteHistory } from './history.ts';
import { kindOf, kinds } from './kinds.ts';
import { layTraces } from './lay-traces.ts';
import { learnLate } from './learn-late.ts';
import { ailingMark, hotMark } from './marks.ts';
import { meetPlaces } from './meet-places.ts';
import { meetThirdParties } from './meet-third-parties.ts';
import { mintAnew } from './mint.ts';
import { createOpenBin, type OpenBin } from './open-bin.ts';
import { isReady, timedBy } from './owners.ts';
import { pooledValues } from './pooled.ts';

/** What is to be learned of a closed bin once inference has looked at it. */
export type Pending = {
  bin: number;
  keys: Uint32Array;
  /** Whose runs are not needed once it is learned. */
  open: OpenBin;
  /** Keys of which a part was measured beside the plan: what the plan alone measured. */
  planned: Map<number, number>;
};

export type Closed = { bin: number; open: OpenBin; pending: Pending };

/** Turns what came in for a bin into differences from normal. Learning comes after: `learnBin`. */
export const closeBin = (state: FleetState, bin: number): Closed => {
  learnLate(state);
  const day = Math.floor((bin * state.binMs) / dayMs);
  if (day > state.evictedDay) {
    if (state.evictedDay > 0) evictUnused(state, bin);
    mintAnew(state);
    state.evictedDay = day;
  }
  const open = state.open.get(bin) ?? createOpenBin(bin, state.spare);
  state.open.delete(bin);
  state.closedThrough = bin;
  layTraces(state, open);
  noteDevices(state, open);
  meetPlaces(state, open);
  notePlaces(state, open);
  const when = dayTimeOf((bin + 0.5) * state.binMs);
  const pending = noteSamples(state, open, when);
  meetThirdParties(state, open);
  countLosses(state, open);
  markFailing(state, open);
  open.release();
  return { bin, open, pending };
};

const dayMs = 86_400_000;

export const learnBin = (state: FleetState, pending: Pending): void => {
  const when = dayTimeOf((pending.bin + 0.5) * state.binMs);
  const { rows } = state.keys;
  for (let i = 0; i < pending.keys.length; i += 1) {
    const key = at(pending.keys, i);
    // Strays were not noted.
    if (at(rows.page(key).bin, slotOf(key)) !== pending.bin) continue;
    learnNewest(rows.page(key), slotOf(key), when, state.how, pending.planned.get(key));
  }
  pending.open.releaseRuns();
};

/** What the bin's newest samples say of each device and edge. */
const noteDevices = (state: FleetState, open: OpenBin): void => {
  for (let device = 0; device < open.devices.count; device += 1) {
    const from = open.devices.page(device);
    if (at(from.seen, slotOf(device)) === 1) noteDevice(state, from, device, open.bin);
  }
  for (let edge = 0; edge < open.edges.count; edge += 1) {
    const from = open.edges.page(edge);
    if (at(from.seen, slotOf(edge)) === 0) continue;
    while (state.edges.count <= edge) state.edges.add();
    const to = state.edges.page(edge);
    to.bin[slotOf(edge)] = open.bin;
    to.cpuRatio[slotOf(edge)] = at(from.cpuRatio, slotOf(edge));
    to.sessions[slotOf(edge)] = at(from.sessions, slotOf(edge));
  }
};

const noteDevice = (
  state: FleetState,
  from: ReturnType<OpenBin['devices']['page']>,
  device: number,
  bin: number,
): void => {
  while (state.devices.count <= device) state.devices.add();
  const to = state.devices.page(device);
  const slot = slotOf(device);
  const gap = at(to.bin, slot) === 0 ? 8 : Math.min(8, bin - at(to.bin, slot));
  to.history[slot] = ((at(to.history, slot) << gap) | 1) & 0xff;
  to.bin[slot] = bin;
  if (at(to.firstBin, slot) === 0) to.firstBin[slot] = bin;
  to.lagExtraMs[slot] = 0;
  to.marks[slot] = 0;
  to.reconnects[slot] = at(from.reconnects, slot);
  noteEdge(from, to, slot, bin, Math.ceil(dayMs / state.binMs));
  if (at(from.deviceTime, slot) === 0) return;
  to.cpuRatio[slot] = at(from.cpuRatio, slot);
  to.memoryRatio[slot] = at(from.memoryRatio, slot);
  to.signalDbm[slot] = at(from.signalDbm, slot);
  to.linkType[slot] = at(from.linkType, slot);
  to.site[slot] = at(from.site, slot);
};

/** Where each pair's newest run was served: it holds for runs that got nowhere. */
const notePlaces = (state: FleetState, open: OpenBin): void => {
  for (let row = 0; row < open.runs.count; row += 1) {
    const page = open.runs.page(row);
    const slot = slotOf(row);
    const place = at(page.place, slot);
    if (place === 0) continue;
    const pair = at(page.pair, slot);
    state.keys.rows.page(pair).place[slotOf(pair)] = place;
  }
};

/** A device whose tunnel is down names no edge: it is still one of those that were at the last. */
const noteEdge = (
  from: ReturnType<OpenBin['devices']['page']>,
  to: ReturnType<FleetState['devices']['page']>,
  slot: number,
  bin: number,
  mostBins: number,
): void => {
  const hasTunnel = at(from.tunnelTime, slot) > 0;
  if (hasTunnel) to.sameFlow[slot] = at(from.sameFlow, slot);
  const edge = hasTunnel ? at(from.edge, slot) : at(from.runEdge, slot);
  if (edge > 0) {
    to.edge[slot] = edge;
    to.edgeBin[slot] = bin;
  } else if (bin - at(to.edgeBin, slot) > mostBins) to.edge[slot] = 0;
};

const noteSamples = (state: FleetState, open: OpenBin, when: DayTime): Pending => {
  const count = state.keys.rows.count;
  const planned = groupSamples(open.planned, count);
  const extra = groupSamples(open.beside, count);
  const toLearn = new Map<number, number>();
  const renders = new Map<number, number[]>();
  // The loop's delay is known first: it comes off everything else the device timed.
  eachKey(planned, extra, (samples) => {
    if (kindOfKey(state, samples.key) === kindOf.lag)
      noteKey(state, samples, open.bin, when, toLearn);
  });
  eachKey(planned, extra, (samples) => {
    const kind = kindOfKey(state, samples.key);
    if (kind === kindOf.lag) return;
    noteKey(state, samples, open.bin, when, toLearn);
    if (kind === kindOf.render) gatherRender(state, samples.key, open.bin, renders);
    markDevice(state, samples.key, open.bin, kind);
  });
  const pooled = notePageRenders(state, renders, open.bin, when);
  return {
    bin: open.bin,
    open,
    keys: joined(joined(planned.keys, extra.keys), pooled),
    planned: toLearn,
  };
};

const kindOfKey = (state: FleetState, key: number): number =>
  kindAt(at(state.keys.rows.page(key).what, slotOf(key)));

/**
 * What is measured rarely holds for so long: page loads, not replaced by a few that come late, and runs
 * where few meet a service, as none may be due in a short bin and an edge may not tell its part of each.
 */
export const rareHoldsMs = 600_000;
const strayShare = 1 / 4;

/** Pages are loaded every few bins by many at once: some that carry another bin's time say little. */
const isStray = (
  state: FleetState,
  { key, from, to }: KeySamples,
  bin: number,
  kind: number,
): boolean => {
  if (kind !== kindOf.pageRender && kind !== kindOf.thirdParty) return false;
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const ageMs = (bin - at(page.bin, slot)) * state.binMs;
  return ageMs <= rareHoldsMs && to - from < strayShare * at(page.samples, slot);
};

const noteKey = (
  state: FleetState,
  samples: KeySamples,
  bin: number,
  when: DayTime,
  toLearn: Map<number, number>,
): void => {
  const { key } = samples;
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const kind = kindAt(at(page.what, slot));
  if (isStray(state, samples, bin, kind)) return;
  const pooled = kinds[kind]?.pooled ? pooledValues(state, samples, bin) : samples;
  const { values, from, to } = pooled;
  const offMs = kinds[kind]?.timed ? lagExtraOf(state, key) : 0;
  const isLow = kinds[kind]?.lowEnd ?? false;
  const statisticMs = statisticOf(isLow, values, from, to);
  const ms = statisticMs - offMs;
  const skewMs = to - from < 3 ? 0 : trimmedMeanOf(values, from, to) - statisticMs;
  const isBeside = samples.planned !== undefined;
  noteValue(page, slot, { ms, samples: to - from, skewMs, bin, beside: isBeside }, when, state.how);
  if (samples.planned !== undefined && samples.planned.length > 0) {
    const { planned } = samples;
    toLearn.set(key, statisticOf(isLow, planned, 0, planned.length) - offMs);
  }
  noteHistory(state, key);
  if (kind === kindOf.lag) noteLag(state, key);
};

const lagExtraOf = (state: FleetState, key: number): number => {
  const device = timedBy(state, key);
  if (device < 0) return 0;
  const page = state.devices.page(device);
  return at(page.lagExtraMs, slotOf(device));
};

/** A delay of the event loop clearly above normal is in everything that the device times. */
const noteLag = (state: FleetState, key: number): void => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const device = at(page.owner, slot);
  const extraMs = at(page.newest, slot);
  const isExtra = at(page.learned, slot) >= readyAfter && extraMs > 3 * scaleOf(page, slot);
  if (isExtra && state.lagControl) state.devices.page(device).lagExtraMs[slotOf(device)] = extraMs;
  markDevice(state, key, at(page.bin, slot), kindOf.lag);
};

/** Marks a device one of whose values is off: as reason to look for causes, or as suffering. */
const markDevice = (state: FleetState, key: number, bin: number, kind: number): void => {
  const isTotal = kind === kindOf.total || kind === kindOf.pageTotal;
  if (!isTotal && !kinds[kind]?.reference) return;
  const device = timedBy(state, key);
  if (device < 0 || !isReady(state, key, bin)) return;
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const scaleMs = scaleOf(page, slot);
  const fastMs = at(page.newest, slot);
  const row = state.devices.page(device);
  const marks = at(row.marks, slotOf(device));
  if (isTotal) {
    const least = Math.max(60, 0.2 * at(page.level, slot), 2.5 * scaleMs);
    if (fastMs > least) row.marks[slotOf(device)] = marks | ailingMark;
    return;
  }
  const hasFormer = at(page.formerGap, slot) <= state.how.longestGap;
  const persistentMs = Math.min(fastMs, at(page.former, slot)) + 0.56 * scaleMs;
  const isHot =
    fastMs > Math.max(6, 3.5 * scaleMs) || (hasFormer && persistentMs > Math.max(4, 2.5 * scaleMs));
  if (isHot) row.marks[slotOf(device)] = marks | hotMark;
};

/** Each device's difference from its own normal, by application: a page's release shifts them all. */
const gatherRender = (
  state: FleetState,
  key: number,
  bin: number,
  renders: Map<number, number[]>,
): void => {
  if (!isReady(state, key, bin)) return;
  const page = state.keys.rows.page(key);
  const app = subOf(at(page.what, slotOf(key)));
  const list = renders.get(app);
  if (list) list.push(at(page.newest, slotOf(key)));
  else renders.set(app, [at(page.newest, slotOf(key))]);
};

const notePageRenders = (
  state: FleetState,
  renders: Map<number, number[]>,
  bin: number,
  when: DayTime,
): Uint32Array => {
  const noted: number[] = [];
  for (const [app, list] of renders) {
    const values = Float32Array.from(list).sort();
    const key = state.keys.rowOf(kindOf.pageRender, app, 0);
    noteKey(state, { key, values, from: 0, to: values.length }, bin, when, new Map());
    noted.push(key);
  }
  return Uint32Array.from(noted).sort();
};
