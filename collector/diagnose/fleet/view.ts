import { dayTimeOf } from './baseline.ts';
import type {
  BinView,
  Cell,
  Delta,
  DeviceView,
  EdgeView,
  OnwardView,
  PageCell,
} from './bin-view.ts';
import { cellParts } from './bin-view.ts';
import { type Closed, rareHoldsMs } from './close-bin.ts';
import { at, slotOf } from './columns.ts';
import { deltaFor, deltaOf, keyOf, type Look } from './delta.ts';
import type { FleetState } from './fleet-state.ts';
import { lastingOf } from './history.ts';
import { kindNames, kindOf } from './kinds.ts';
import { ailingMark, hotMark } from './marks.ts';
import { cellKinds } from './pooled.ts';
import type { Facts } from './reading.ts';
import { type DeviceLook, deviceView } from './view-device.ts';
import { traceView } from './view-trace.ts';

/** Views of devices that are kept; of more, those that are well are made again when asked for again. */
const keptViews = { marked: 20_000, others: 2_000 } as const;

/** The closed bin as inference sees it. Made on demand; good until learning begins. */
export const viewOf = (
  state: FleetState,
  closed: Closed,
  facts: Facts,
  order: number[],
): BinView => {
  const { bin, open } = closed;
  const base: Look = { state, bin, when: dayTimeOf((bin + 0.5) * state.binMs) };
  const runs = runsByDevice(state, closed);
  const look: DeviceLook = {
    ...base,
    open,
    factsOf: (deviceId) => facts.devices[deviceId] ?? {},
    runsOf: runs,
  };
  const [marked, others] = [new Map<number, DeviceView>(), new Map<number, DeviceView>()];
  const device = (index: number): DeviceView => {
    const known = marked.get(index) ?? others.get(index);
    if (known) return known;
    const made = deviceView(look, index);
    const isMarked = at(state.devices.page(index).marks, slotOf(index)) !== 0;
    const [views, most] = isMarked ? [marked, keptViews.marked] : [others, keptViews.others];
    if (views.size >= most) views.clear();
    views.set(index, made);
    return made;
  };
  const active = order.filter((one) => {
    // Named by a reading of a bin that is still open: nothing is kept of it yet.
    if (one >= state.devices.count) return false;
    const last = at(state.devices.page(one).bin, slotOf(one));
    return last > 0 && bin - last < 3;
  });
  const withMark = (mark: number): number[] =>
    active.filter((one) => {
      const page = state.devices.page(one);
      return at(page.bin, slotOf(one)) === bin && (at(page.marks, slotOf(one)) & mark) !== 0;
    });
  const places = placesOf(state, bin, bin);
  const held = placesOf(state, bin - Math.floor(rareHoldsMs / state.binMs), bin);
  return {
    fromMs: bin * state.binMs,
    toMs: (bin + 1) * state.binMs,
    bin,
    binMs: state.binMs,
    active,
    hot: withMark(hotMark),
    ailing: withMark(ailingMark),
    device,
    indexOf: (deviceId) => state.deviceNames.find(deviceId) || undefined,
    onward: places.flatMap((place) => onwardView(base, place) ?? []),
    cells: held.flatMap((place) => cellsOf(base, place)),
    edges: edgeViews(base),
    pages: pageCells(base),
  };
};

/** Rows of the bin's runs by device. */
const runsByDevice = (state: FleetState, { open }: Closed) => {
  const deviceOf = (row: number): number => {
    const pair = at(open.runs.page(row).pair, slotOf(row));
    return at(state.keys.rows.page(pair).owner, slotOf(pair));
  };
  const ends = new Uint32Array(state.deviceNames.count + 1);
  for (let row = 0; row < open.runs.count; row += 1)
    ends[deviceOf(row) + 1] = at(ends, deviceOf(row) + 1) + 1;
  for (let i = 1; i < ends.length; i += 1) ends[i] = at(ends, i) + at(ends, i - 1);
  const next = ends.slice();
  const rows = new Uint32Array(open.runs.count);
  for (let row = 0; row < open.runs.count; row += 1) {
    const device = deviceOf(row);
    rows[at(next, device)] = row;
    next[device] = at(next, device) + 1;
  }
  return (device: number): Uint32Array => rows.subarray(at(ends, device), at(ends, device + 1));
};

/** Places met in this bin, or, where few do, since `from`; by edge, application and address. */
const placesOf = (state: FleetState, from: number, bin: number): number[] => {
  const { rows } = state.places;
  const met: { place: number; name: string }[] = [];
  for (let place = 0; place < rows.count; place += 1) {
    const last = at(rows.page(place).bin, slotOf(place));
    if (last !== bin && (last < from || last > bin || !state.met.has(place))) continue;
    const { edgeId, appId, frontEnd } = namesOf(state, place);
    met.push({ place, name: `${edgeId ?? ''}\t${appId}\t${frontEnd ?? ''}` });
  }
  return met.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ place }) => place);
};

const namesOf = (state: FleetState, place: number) => {
  const page = state.places.rows.page(place);
  const slot = slotOf(place);
  const [edge, address] = [at(page.edge, slot), at(page.address, slot)];
  return {
    edgeId: edge === 0 ? null : state.edgeNames.textOf(edge),
    appId: state.appNames.textOf(at(page.app, slot)),
    frontEnd: address === 0 ? null : state.addresses.textOf(address),
  };
};

/** A reading of the edge's is the middle of several handshakes. */
const handshakes = 5;

const onwardView = (look: Look, place: number): OnwardView | null => {
  const { state, bin } = look;
  const { edgeId, appId, frontEnd } = namesOf(state, place);
  if (edgeId === null) return null;
  const own = deltaFor(look, 'ownConnect', place, 0);
  const inRuns = deltaFor(look, 'runConnect', place, 0);
  const ownSamples = handshakes * (own?.sampleCount ?? 0);
  const isOwn = own !== null && ownSamples >= (inRuns?.sampleCount ?? 0);
  const connect = isOwn && (own.ready || !inRuns?.ready) ? own : (inRuns ?? own);
  const page = state.places.rows.page(place);
  const trace = traceView(look, state.keys.find(kindNames.indexOf('onwardRtt'), place, 0));
  const dns = deltaFor(look, 'ownDns', place, 0);
  const loss = state.losses.read(at(page.loss, slotOf(place)), bin);
  if (connect === null && trace === null && dns === null) return null;
  return { edgeId, appId, frontEnd, connect, dns, trace, loss };
};

/** Until an hour has come round again. */
const firstDayMs = 25 * 3_600_000;
/** Before, what is normal is the mean of hours that are hardly over. */
const firstHoursMs = 2 * 3_600_000;

const cellsOf = (now: Look, place: number): Cell[] => {
  const page = now.state.places.rows.page(place);
  const slot = slotOf(place);
  const look = { ...now, bin: at(page.bin, slot) };
  const ageMs = (look.bin - at(page.firstBin, slot)) * look.state.binMs;
  return cellKinds.flatMap((kind, i) => {
    const part = cellParts[i];
    const key = keyOf(look, kind, place, 0);
    const delta = deltaOf(look, key);
    if (part === undefined || delta === null) return [];
    const cell: Cell = {
      part,
      ...namesOf(look.state, place),
      delta,
      sampleSpreadMs: at(page.spread, slot * 5 + i),
      deviceCount: at(page.devices, slot),
      singlesMs: singlesOf(look, key, delta),
      lasting: lastingOf(look.state, place, i, key),
      isYoung: ageMs > firstHoursMs && ageMs < firstDayMs,
    };
    return [part === 'dns' ? { ...cell, misses: missesOf(page.misses, slot * 3) } : cell];
  });
};

const missesOf = (misses: Float32Array, from: number) => ({
  share: at(misses, from),
  ms: at(misses, from + 1),
  spreadMs: at(misses, from + 2),
});

const singlesOf = ({ state }: Look, key: number, { normalMs }: Delta): number[] =>
  (state.recent.get(key) ?? [])
    .flatMap(({ ms }) => ms)
    .reverse()
    .map((ms) => ms - normalMs);

const edgeViews = (look: Look): EdgeView[] => {
  const { state, bin } = look;
  const views: EdgeView[] = [];
  for (let edge = 1; edge < state.edges.count; edge += 1) {
    const page = state.edges.page(edge);
    const slot = slotOf(edge);
    if (at(page.bin, slot) === 0 || bin - at(page.bin, slot) > state.how.longestGap) continue;
    const cpuRatio = at(page.cpuRatio, slot);
    views.push({
      edgeId: state.edgeNames.textOf(edge),
      lag: deltaFor(look, 'edgeLag', edge, 0),
      queue: deltaFor(look, 'edgeQueue', edge, 0),
      cpuRatio: Number.isNaN(cpuRatio) ? null : cpuRatio,
      sessionCount: at(page.sessions, slot),
    });
  }
  return views.sort((a, b) => (a.edgeId < b.edgeId ? -1 : 1));
};

/** Applications by their newest page loads, and what their third parties took. */
const pageCells = (look: Look): PageCell[] => {
  const { state } = look;
  const thirds = new Map<number, PageCell['thirdParties'][number][]>();
  for (let third = 1; third < state.thirdParties.count; third += 1) {
    const [appId = '', host = ''] = state.thirdParties.textOf(third).split('\t');
    const app = state.appNames.find(appId);
    if (app === 0) continue;
    const held = heldDelta(look, 'thirdParty', third, app);
    if (held === null) continue;
    const list = thirds.get(app) ?? [];
    list.push({ host, ...held, deviceCount: state.visitors.get(third)?.count ?? 0 });
    thirds.set(app, list);
  }
  const cells: PageCell[] = [];
  for (let app = 1; app < state.appNames.count; app += 1) {
    const held = heldDelta(look, 'pageRender', app, 0);
    if (held === null) continue;
    const { delta, ageBins } = held;
    const thirdParties = (thirds.get(app) ?? []).sort((a, b) => (a.host < b.host ? -1 : 1));
    cells.push({
      appId: state.appNames.textOf(app),
      deviceCount: delta.sampleCount,
      render: delta,
      ageBins,
      thirdParties,
    });
  }
  return cells.sort((a, b) => (a.appId < b.appId ? -1 : 1));
};

const heldDelta = (
  look: Look,
  kind: 'pageRender' | 'thirdParty',
  owner: number,
  sub: number,
): { delta: Delta; ageBins: number } | null => {
  const key = keyOf(look, kindOf[kind], owner, sub);
  if (key < 0) return null;
  const bin = at(look.state.keys.rows.page(key).bin, slotOf(key));
  const ageBins = look.bin - bin;
  if (ageBins < 0 || ageBins * look.state.binMs > rareHoldsMs) return null;
  const delta = deltaOf({ ...look, bin }, key);
  return delta === null ? null : { delta, ageBins };
};
