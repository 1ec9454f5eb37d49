import { sayCount, sayMs } from '../../wording.ts';
import type { Accepted, EvidenceLine } from '../accepted.ts';
import type { ApplicationView, BinView, Cell } from '../bin-view.ts';
import type { CellFinding } from './cell-findings.ts';
import type { JoinedFinding } from './edge-overload.ts';
import { seenFrom } from './group.ts';
import { placeKey, placeKeys, placeOf } from './place.ts';

/** A group of slow cells as a cause of those devices' runs that met one of them. */
export const acceptCells = ({ lead, joined }: JoinedFinding, view: BinView): Accepted => {
  const all = [lead, ...joined];
  const naming = lead.cause.name(lead.group);
  const costs = all.map((finding) => costsByPlace(finding, view));
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
      return application === undefined ? [] : evidenceOf(all, application, view);
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

/** The asking device's own cells, then what speaks for and against the others of their kind. */
const evidenceOf = (
  findings: readonly CellFinding[],
  application: ApplicationView,
  view: BinView,
): EvidenceLine[] => {
  const lines: EvidenceLine[] = [];
  const keys = new Set(placeKeys(placeOf(application)));
  for (const finding of findings) {
    const own = finding.shifted.find((cell) => keys.has(placeKey(cell)));
    if (own !== undefined) lines.push(ownLine(finding, own));
    lines.push(...othersLines(finding, view));
  }
  const [lead] = findings;
  const own = lead?.shifted.find((cell) => keys.has(placeKey(cell)));
  return own === undefined ? lines : [...lines, ...(lead?.cause.looks?.(view, own) ?? [])];
};

const ownLine = (
  { cause }: CellFinding,
  { appId, edgeId, delta, deviceCount }: Cell,
): EvidenceLine => ({
  finding: 'against',
  text: `${cause.noun} takes ${sayMs(delta.nowMs)} for ${appId} ${seenFrom(edgeId)}, normally ${sayMs(delta.normalMs)} (${sayCount(delta.sampleCount, 'run')} of ${sayCount(deviceCount, 'device')}).`,
  value: delta.nowMs,
  baseline: delta.normalMs,
  unit: 'ms',
});

/** Who shares the cause, and who is near to it and well: what tells an edge from an application. */
const othersLines = ({ group, shifted, clean }: CellFinding, view: BinView): EvidenceLine[] => {
  const { part, kind, edgeId, appId } = group;
  const members = new Set<Cell>(group.cells);
  const beside = view.cells.filter(
    (cell) =>
      cell.part === part &&
      cell.delta.ready &&
      !members.has(cell) &&
      (kind === 'edge'
        ? shifted.some((each) => each.appId === cell.appId)
        : cell.appId === appId || shifted.some((each) => each.edgeId === cell.edgeId)),
  );
  const well = beside.filter(isWell);
  const lines: EvidenceLine[] = [];
  if (group.cells.length > 1) {
    const what =
      kind === 'edge'
        ? `${shifted.length} of ${sayCount(group.cells.length, 'application')} ${seenFrom(edgeId)} ${shifted.length === 1 ? 'is' : 'are'} slow in it`
        : `it is slow from ${shifted.length} of ${group.cells.length} places that reach ${appId}`;
    lines.push(line(clean.length === 0 ? 'against' : 'context', `${what}.`, shifted.length));
  }
  if (well.length > 0) {
    const sameApp = well.filter((cell) => cell.appId === appId).length;
    const what =
      kind === 'edge'
        ? `The same applications are normal in it from ${sayCount(new Set(well.map((cell) => cell.edgeId)).size, 'other edge')}`
        : sameApp > 0
          ? `${appId} is normal in it from ${sayCount(sameApp, 'other place')}`
          : `${sayCount(new Set(well.map((cell) => cell.appId)).size, 'other application')} ${seenFrom(shifted[0]?.edgeId ?? null)} ${well.length === 1 ? 'is' : 'are'} normal in it`;
    lines.push(line('cleared', `${what}.`, well.length));
  }
  return lines;
};

const isWell = ({ delta }: Cell): boolean => delta.fastMs < Math.max(5, 2 * delta.scaleMs);

const line = (
  finding: EvidenceLine['finding'],
  text: string,
  value: number | null,
): EvidenceLine => ({ finding, text, value, baseline: null, unit: '' });
