import { sayCount, sayMs } from '../../wording.ts';
import type { EvidenceLine } from '../accepted.ts';
import type { ApplicationView, BinView, Cell } from '../bin-view.ts';
import { markedApplication } from '../marked-ids.ts';
import { singlesOf } from './cell-evidence.ts';
import type { CellFinding } from './cell-findings.ts';
import { seenFrom } from './group.ts';
import { placeKey, placeKeys, placeOf } from './place.ts';

/**
 * The asking device's own cells, then what speaks for and against the others of their kind. Cells are
 * many, and so are those who ask: what is the same for all of them is gathered once, when one asks.
 */
export const createCellWords = (
  findings: readonly CellFinding[],
  view: BinView,
): ((application: ApplicationView) => EvidenceLine[]) => {
  let gathered: Gathered[] | undefined;
  return (application) => {
    gathered ??= findings.map((finding) => gather(finding, view));
    const keys = placeKeys(placeOf(application));
    const lines = gathered.flatMap(({ finding, byPlace, others }) => {
      const own = firstOf(byPlace, keys);
      return own === undefined ? others : [ownLine(finding, own), ...others];
    });
    const [lead] = gathered;
    const own = lead && firstOf(lead.byPlace, keys);
    return own === undefined
      ? lines
      : [...lines, ...(lead?.finding.cause.looks?.(view, own) ?? [])];
  };
};

type Gathered = {
  finding: CellFinding;
  byPlace: ReadonlyMap<string, Cell>;
  others: readonly EvidenceLine[];
};

const gather = (finding: CellFinding, view: BinView): Gathered => ({
  finding,
  byPlace: new Map(finding.shifted.map((cell) => [placeKey(cell), cell])),
  others: othersLines(finding, view),
});

const firstOf = (cells: ReadonlyMap<string, Cell>, keys: readonly string[]): Cell | undefined => {
  const key = keys.find((each) => cells.has(each));
  return key === undefined ? undefined : cells.get(key);
};

const ownLine = ({ cause }: CellFinding, cell: Cell): EvidenceLine => {
  const { appId, edgeId, delta, deviceCount } = cell;
  const few = singlesOf(cell);
  const nowMs = few === undefined ? delta.nowMs : delta.normalMs + meanOf(few);
  const runs =
    few === undefined
      ? sayCount(delta.sampleCount, 'run')
      : `mean of the newest ${sayCount(few.length, 'run')}`;
  return {
    finding: 'against',
    text: `${cause.noun} takes ${sayMs(nowMs)} for ${markedApplication(appId)} ${seenFrom(edgeId)}, normally ${sayMs(delta.normalMs)} (${runs} of ${sayCount(deviceCount, 'device')}).`,
    value: nowMs,
    baseline: delta.normalMs,
    unit: 'ms',
  };
};

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Who shares the cause, and who is near to it and well: what tells an edge from an application. */
const othersLines = ({ group, shifted, clean }: CellFinding, view: BinView): EvidenceLine[] => {
  const { part, kind, edgeId, appId } = group;
  const members = new Set<Cell>(group.cells);
  const slowApps = new Set(shifted.map((cell) => cell.appId));
  const slowEdges = new Set(shifted.map((cell) => cell.edgeId));
  const beside = view.cells.filter(
    (cell) =>
      cell.part === part &&
      cell.delta.ready &&
      !members.has(cell) &&
      (kind === 'edge'
        ? slowApps.has(cell.appId)
        : cell.appId === appId || slowEdges.has(cell.edgeId)),
  );
  const well = beside.filter(isWell);
  const lines: EvidenceLine[] = [];
  if (group.cells.length > 1) {
    const what =
      kind === 'edge'
        ? `${shifted.length} of ${sayCount(group.cells.length, 'application')} ${seenFrom(edgeId)} ${shifted.length === 1 ? 'is' : 'are'} slow in it`
        : `it is slow from ${shifted.length} of ${group.cells.length} places that reach ${markedApplication(appId)}`;
    lines.push(line(clean.length === 0 ? 'against' : 'context', `${what}.`, shifted.length));
  }
  if (well.length > 0) {
    const sameApp = well.filter((cell) => cell.appId === appId).length;
    const what =
      kind === 'edge'
        ? `The same applications are normal in it from ${sayCount(new Set(well.map((cell) => cell.edgeId)).size, 'other edge')}`
        : sameApp > 0
          ? `${markedApplication(appId)} is normal in it from ${sayCount(sameApp, 'other place')}`
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
