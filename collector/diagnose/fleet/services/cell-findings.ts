import type { InferOptions } from '../accepted.ts';
import type { BinView, Cell } from '../bin-view.ts';
import type { Selected } from '../map/candidate.ts';
import { createDelayModel, type DelayModel } from '../map/delay-model.ts';
import { selectCauses } from '../map/greedy.ts';
import { type CellEvidence, createCellEvidence } from './cell-evidence.ts';
import { groupCells } from './cell-groups.ts';
import type { CellCause, CellGroup } from './group.ts';
import { placeKey } from './place.ts';

/** A group of cells found slow, with the cells that are. */
export type CellFinding = {
  cause: CellCause;
  group: CellGroup;
  runnerUp: CellGroup | null;
  /** Milliseconds once per answer: the mean of what devices feel, not the middle. */
  addedMs: number;
  gainNats: number;
  marginNats: number;
  pass: 'fast' | 'persistent';
  shifted: readonly Cell[];
  clean: readonly Cell[];
};

/** Medians of many samples scatter less under one cause than a single link's do. */
const priorSpread = 0.3;
/** Asked of what rests on one bin alone. */
const fastPass = { extraNats: 5, leastCells: 2, leastDevices: 5 } as const;

/** Solves one part after the other; each part's cells are explained by its own causes only. */
export const findInCells = (
  view: BinView,
  causes: readonly CellCause[],
  former: ReadonlySet<string>,
  options: InferOptions,
): CellFinding[] => {
  const evidence = createCellEvidence(view);
  return causes.flatMap((cause) => {
    const cells = view.cells
      .filter((cell) => cell.part === cause.part && cell.delta.ready)
      .sort((a, b) => compare(placeKey(a), placeKey(b)));
    return cells.some((cell) => isConspicuous(cell, cause))
      ? findInPart(cause, cells, evidence, former, options)
      : [];
  });
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Most parts of most bins are quiet: nothing is built for them. */
const isConspicuous = ({ delta }: Cell, { minimumMs }: CellCause): boolean =>
  delta.fastMs >= minimumMs / 2 && delta.fastMs > 1.5 * delta.scaleMs;

const findInPart = (
  cause: CellCause,
  cells: readonly Cell[],
  evidence: CellEvidence,
  former: ReadonlySet<string>,
  options: InferOptions,
): CellFinding[] => {
  const groups = groupCells(cause, cells, former).filter(
    (group) => options.fleet || group.cells.length === 1,
  );
  const lasting = observeLasting(cells, evidence);
  const found = select(groups, lasting, options);
  const findings = found.map((one) => findingOf(cause, one, 'persistent'));
  if (!options.fastPass) return findings;
  const sudden = observeSudden(cells, evidence, findings);
  const shared = groups.filter(isShared).map((group) => ({
    ...group,
    penaltyNats: group.penaltyNats + fastPass.extraNats,
  }));
  return [
    ...findings,
    ...select(shared, sudden, options).map((one) => findingOf(cause, one, 'fast')),
  ];
};

const select = (
  groups: readonly CellGroup[],
  observations: ReturnType<typeof observeLasting>,
  options: InferOptions,
): Selected<CellGroup>[] => {
  const model: DelayModel = createDelayModel({
    observations: observations.map(({ observation }) => observation),
    oneSided: options.oneSidedHops,
    priorSpread,
  });
  // Cells without an observation are in no group; the others are numbered anew.
  const at = new Map(observations.map(({ cell }, index) => [cell, index]));
  const candidates = groups.flatMap((group): CellGroup[] => {
    const members = group.cells.map((cell) => at.get(cell)).filter((index) => index !== undefined);
    return members.length === 0 ? [] : [{ ...group, members: Int32Array.from(members) }];
  });
  return selectCauses({ model, candidates, observationCount: observations.length });
};

const observeLasting = (cells: readonly Cell[], evidence: CellEvidence) =>
  cells.flatMap((cell) => {
    const observation = evidence.persistent(cell);
    return observation === null ? [] : [{ cell, observation }];
  });

/** What this bin alone shows beyond what is already explained. */
const observeSudden = (
  cells: readonly Cell[],
  evidence: CellEvidence,
  findings: readonly CellFinding[],
) =>
  cells.map((cell) => {
    const observation = evidence.fast(cell);
    let residualMs = observation.residualMs;
    for (const { shifted, addedMs } of findings) if (shifted.includes(cell)) residualMs -= addedMs;
    return { cell, observation: { ...observation, residualMs } };
  });

const isShared = ({ cells }: CellGroup): boolean =>
  cells.length >= fastPass.leastCells &&
  cells.reduce((sum, cell) => sum + cell.deviceCount, 0) >= fastPass.leastDevices;

const findingOf = (
  cause: CellCause,
  { candidate, magnitude, spread, gainNats, marginNats, runnerUp }: Selected<CellGroup>,
  pass: CellFinding['pass'],
): CellFinding => {
  const shifted = candidate.cells.filter((cell) => shows(cell, magnitude, spread));
  return {
    cause,
    group: candidate,
    runnerUp,
    addedMs: magnitude + tailMs(shifted, magnitude, cause),
    gainNats,
    marginNats,
    pass,
    shifted,
    clean: candidate.cells.filter((cell) => !shifted.includes(cell)),
  };
};

/** A shared cause is charged only where it is seen, or where chance may have hidden it. */
const shownShare = 0.3;
const hiddenBy = 3;
const shows = ({ delta }: Cell, magnitudeMs: number, spreadMs: number): boolean => {
  if (delta.fastMs >= shownShare * magnitudeMs) return true;
  const scatterMs = Math.hypot(delta.scaleMs, spreadMs / Math.sqrt(Math.max(1, delta.sampleCount)));
  return magnitudeMs - delta.fastMs <= hiddenBy * scatterMs;
};

/** People feel the mean: what it exceeds the statistic by, within bounds. */
const leastTail = 0.1;
const tailMs = (
  cells: readonly Cell[],
  magnitudeMs: number,
  { usualTailMs = 0, mostTail = 0.6 }: CellCause,
): number => {
  const sorted = cells.map((cell) => cell.delta.skewMs - usualTailMs).sort((a, b) => a - b);
  const middleMs = sorted[(sorted.length - 1) >> 1] ?? 0;
  const boundedMs = Math.min(mostTail * magnitudeMs, Math.max(0, middleMs));
  return boundedMs > leastTail * magnitudeMs ? boundedMs : 0;
};
