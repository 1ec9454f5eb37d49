import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, Cell } from '../bin-view.ts';
import type { CellFinding } from './cell-findings.ts';
import { createCellWords } from './cell-words.ts';
import type { JoinedFinding } from './edge-overload.ts';
import { placeKey, placeKeys, placeOf } from './place.ts';

/** A group of slow cells as a cause of those devices' runs that met one of them. */
export const acceptCells = ({ lead, joined }: JoinedFinding, view: BinView): Accepted => {
  const all = [lead, ...joined];
  const naming = lead.cause.name(lead.group);
  const costs = all.map((finding) => costsByPlace(finding, view));
  const wordsFor = createCellWords(all, view);
  const costAt = (application: ApplicationView): number =>
    costs.reduce((sum, each) => sum + atPlace(each, application), 0);
  return {
    ...naming,
    kind: 'delay',
    addedMs: lead.addedMs,
    lossRatio: null,
    gainNats: all.reduce((sum, each) => sum + each.gainNats, 0),
    marginNats: Math.max(...all.map((each) => each.marginNats)),
    runnerUp: runnerUpOf(lead),
    observerCount: devicesIn(lead.shifted) + devicesIn(lead.clean),
    healthyCount: devicesIn(lead.clean),
    pass: lead.pass,
    costMs: (deviceIndex, appId) => {
      const application = applicationOf(view, deviceIndex, appId);
      return application === undefined ? 0 : costAt(application);
    },
    elementFor: () => naming.element,
    evidenceFor: (deviceIndex, appId) => {
      const application = applicationOf(view, deviceIndex, appId);
      return application === undefined ? [] : wordsFor(application);
    },
  };
};

export const applicationOf = (
  view: BinView,
  deviceIndex: number,
  appId: string,
): ApplicationView | undefined =>
  view.device(deviceIndex).applications.find((each) => each.appId === appId);

const devicesIn = (cells: readonly Cell[]): number =>
  cells.reduce((sum, cell) => sum + cell.deviceCount, 0);

const runnerUpOf = ({ cause, runnerUp }: CellFinding): Accepted['runnerUp'] => {
  if (runnerUp === null) return null;
  const { key, family, element, segment } = cause.name(runnerUp);
  return { key, family, element, segment };
};

/** Of the devices that may have met the same, so many must have met it slow. */
const mostOf = 0.8;

/** By place; where the address that served a run is not known, by what nearly all others met. */
const costsByPlace = (
  { group, shifted, addedMs }: CellFinding,
  view: BinView,
): Map<string, number> => {
  const costs = new Map<string, number>();
  const anywhere = new Map<string, { slow: number; all: number }>();
  const slow = new Set(shifted);
  for (const cell of view.cells) {
    if (cell.part !== group.part) continue;
    const count = Math.max(1, cell.deviceCount);
    const somewhere = placeKey({ ...cell, frontEnd: null });
    const sum = anywhere.get(somewhere) ?? { slow: 0, all: 0 };
    sum.all += count;
    if (slow.has(cell)) sum.slow += count;
    anywhere.set(somewhere, sum);
    costs.set(placeKey(cell), slow.has(cell) ? addedMs : 0);
  }
  for (const [key, sum] of anywhere) {
    if (!costs.has(key)) costs.set(key, sum.slow >= mostOf * sum.all ? addedMs : 0);
  }
  return costs;
};

const atPlace = (costs: ReadonlyMap<string, number>, application: ApplicationView): number => {
  const [exact, anywhere] = placeKeys(placeOf(application));
  return costs.get(exact ?? '') ?? costs.get(anywhere ?? '') ?? 0;
};
