import type { FleetState } from './fleet-state.ts';
import { takeDevice, takeEdge, takeTunnel } from './intake-devices.ts';
import { takeHttp, takePage } from './intake-runs.ts';
import { takeOnward, takePath } from './intake-traces.ts';
import type { Inlet } from './late-log.ts';
import { createOpenBin, type OpenBin } from './open-bin.ts';
import type { Reading } from './reading.ts';

/** Puts a reading into the bin it falls into, as numbers. */
export const takeIn = (state: FleetState, reading: Reading): void => {
  const bin = binFor(state, reading.timeMs);
  if (bin === undefined) return;
  switch (reading.kind) {
    case 'http':
      takeHttp(state, bin, reading);
      break;
    case 'page':
      takePage(state, bin, reading);
      break;
    case 'path':
      takePath(state, bin, reading);
      break;
    case 'tunnel':
      takeTunnel(state, bin, reading);
      break;
    case 'device':
      takeDevice(state, bin, reading);
      break;
    case 'edge':
      takeEdge(state, bin, reading);
      break;
    case 'onward':
      takeOnward(state, bin, reading);
      break;
  }
};

/** A clock this far ahead is taken at its word; what is further ahead belongs to the open bin. */
const aheadMs = 120_000;
/** Nothing is learned from what is older, nor from a clock further ahead. */
const oldestMs = 7 * 86_400_000;
const furthestMs = 86_400_000;

/** Bins that may be open before the first is closed. */
const mostAtFirst = 64;

const binFor = (state: FleetState, timeMs: number): Inlet | undefined => {
  const bin = Math.floor(timeMs / state.binMs);
  const { closedThrough } = state;
  if (closedThrough < 0) {
    const isRoom = state.open.has(bin) || state.open.size < mostAtFirst;
    return isRoom ? openBin(state, bin) : undefined;
  }
  const behindMs = (closedThrough - bin) * state.binMs;
  if (behindMs > oldestMs || -behindMs > furthestMs) return undefined;
  if (behindMs >= 0) return state.late.forBin(bin);
  const furthest = closedThrough + 1 + Math.ceil(aheadMs / state.binMs);
  return openBin(state, bin > furthest ? closedThrough + 1 : bin);
};

const openBin = (state: FleetState, bin: number): OpenBin => {
  const known = state.open.get(bin);
  if (known) return known;
  const made = createOpenBin(bin, state.spare);
  state.open.set(bin, made);
  return made;
};
