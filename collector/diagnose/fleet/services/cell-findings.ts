import type { InferOptions } from '../accepted.ts';
import type { BinView, Cell, CellPart } from '../bin-view.ts';
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
  /** By how much the cells' own statistic moved. */
  movedMs: number;
  gainNats: number;
  marginNats: number;
  pass: 'fast' | 'persistent';
  shifted: readonly Cell[];
  clean: readonly Cell[];
};

/** Odds of seven to one that it is there: with less, one that did not stand before is not told yet. */
const sureNats = 2;
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
const isConspicuous = (cell: Cell, { minimumMs }: CellCause): boolean => {
  const { delta, lasting } = cell;
  return (
    (delta.fastMs >= minimumMs / 2 && delta.fastMs > 1.5 * delta.scaleMs) ||
    (lasting !== null &&
      lasting.ms >= minimumMs / 2 &&
      lasting.ms > 1.5 * lasting.scaleShare * delta.scaleMs) ||
    isRising(cell, minimumMs)
  );
};

/** The middle of few samples hides what scatters: their mean does not. */
const isRising = ({ singlesMs = [], sampleSpreadMs }: Cell, leastMs: number): boolean => {
  const newest = singlesMs.slice(0, 4);
  const meanMs = newest.reduce((sum, ms) => sum + ms, 0) / Math.max(1, newest.length);
  return meanMs >= Math.max(leastMs, sampleSpreadMs);
};

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
  const findings = found
    .map((one) => findingOf(cause, one, 'persistent'))
    .filter((one) => isNew(one, former));
  const sudden = options.fastPass
    ? findSudden(cause, cells, groups, evidence, options, findings).filter((one) =>
        isNew(one, former),
      )
    : [];
  const known = [...findings, ...sudden];
  const lasts = findLasting(cause, cells, groups, evidence, former, options, known);
  return [...known, ...lasts].filter((one) => one.gainNats >= sureNats || former.has(keyOf(one)));
};

const findSudden = (
  cause: CellCause,
  cells: readonly Cell[],
  groups: readonly CellGroup[],
  evidence: CellEvidence,
  options: InferOptions,
  findings: readonly CellFinding[],
): CellFinding[] => {
  const sudden = observeSudden(cells, evidence, findings);
  const shared = groups.filter(isShared).map((group) => ({
    ...group,
    penaltyNats: group.penaltyNats + fastPass.extraNats,
  }));
  return select(shared, sudden, options).map((one) => findingOf(cause, one, 'fast'));
};

/**
 * What is too small for one bin or two, and is there in half a dozen: where nothing else is found, it
 * began by a step, and the newest bins still show it.
 */
const findLasting = (
  cause: CellCause,
  cells: readonly Cell[],
  groups: readonly CellGroup[],
  evidence: CellEvidence,
  former: ReadonlySet<string>,
  options: InferOptions,
  known: readonly CellFinding[],
): CellFinding[] => {
  const explained = new Set(known.flatMap(({ shifted }) => shifted));
  const observations = cells.flatMap((cell) => {
    const observation = explained.has(cell) ? null : evidence.lasting(cell);
    return observation === null ? [] : [{ cell, observation }];
  });
  const keys = new Set(known.map(keyOf));
  return select(groups, observations, options)
    .map((one) => findingOf(cause, one, 'persistent'))
    .filter((one) => !keys.has(keyOf(one)) && isThere(one))
    .filter((one) => former.has(keyOf(one)) || one.addedMs >= leastLastingMs)
    .filter((one) => beganByStep(one, former) && isNew(one, former));
};

/** Whole services drift by a few dozen milliseconds within hours, for no reason that is worth a call. */
const leastLastingMs = 45;

const keyOf = ({ cause, group }: CellFinding): string => cause.name(group).key;

/**
 * So much of it in the mean of two bins and, but for chance, in this one: a cause that has ended must not
 * go on for as long as it is remembered.
 */
const thereShare = 0.5;
const chanceScales = 2;
const isThere = ({ shifted, movedMs }: CellFinding): boolean => {
  const leastMs = thereShare * movedMs;
  const chanceMs =
    (chanceScales * meanOver(shifted, ({ delta }) => delta.scaleMs)) / Math.sqrt(shifted.length);
  return (
    meanOver(shifted, ({ delta }) => delta.meanMs) >= leastMs &&
    meanOver(shifted, ({ delta }) => delta.fastMs) + chanceMs >= leastMs
  );
};

/** A daily rhythm comes slowly. */
const stepShare = 0.5;
const beganByStep = (finding: CellFinding, former: ReadonlySet<string>): boolean =>
  former.has(keyOf(finding)) ||
  (finding.shifted.every(({ lasting }) => lasting !== null && lasting.beforeMs !== null) &&
    meanOver(finding.shifted, ({ lasting }) => above(lasting?.ms ?? 0, lasting?.beforeMs)) >=
      stepShare * finding.movedMs);

/**
 * On its first day a cell has never seen this hour: of what depends on how many are at work, that it is
 * above its mean is not enough.
 */
const firstDayShare = 0.7;
const byLoad: ReadonlySet<CellPart> = new Set(['server', 'in-edge', 'transfer']);
const isNew = (finding: CellFinding, former: ReadonlySet<string>): boolean =>
  former.has(keyOf(finding)) ||
  !byLoad.has(finding.cause.part) ||
  !finding.shifted.every(({ isYoung }) => isYoung) ||
  meanOver(finding.shifted, ({ lasting, delta }) => above(delta.fastMs, lasting?.justBeforeMs)) >=
    firstDayShare * finding.movedMs;

const above = (ms: number, beforeMs: number | null | undefined): number =>
  ms - Math.max(0, beforeMs ?? 0);

const meanOver = (cells: readonly Cell[], msOf: (cell: Cell) => number): number => {
  const count = (cell: Cell): number => Math.max(1, cell.delta.sampleCount);
  const sum = cells.reduce((total, cell) => total + count(cell) * msOf(cell), 0);
  return (
    sum /
    Math.max(
      1,
      cells.reduce((total, cell) => total + count(cell), 0),
    )
  );
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
  const at = new Map<Cell, number[]>();
  for (const [index, { cell }] of observations.entries()) {
    at.set(cell, [...(at.get(cell) ?? []), index]);
  }
  const candidates = groups.flatMap((group): CellGroup[] => {
    const members = group.cells.flatMap((cell) => at.get(cell) ?? []);
    return members.length === 0 ? [] : [{ ...group, members: Int32Array.from(members) }];
  });
  return selectCauses({ model, candidates, observationCount: observations.length });
};

const observeLasting = (cells: readonly Cell[], evidence: CellEvidence) =>
  cells.flatMap((cell) => evidence.persistent(cell).map((observation) => ({ cell, observation })));

/** What this bin alone shows beyond what is already explained. */
const observeSudden = (
  cells: readonly Cell[],
  evidence: CellEvidence,
  findings: readonly CellFinding[],
) =>
  cells.map((cell) => {
    const observation = evidence.fast(cell);
    let residualMs = observation.residualMs;
    for (const { shifted, movedMs } of findings) if (shifted.includes(cell)) residualMs -= movedMs;
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
    movedMs: magnitude,
    gainNats,
    marginNats,
    pass: shifted.every(isSudden) ? 'fast' : pass,
    shifted,
    clean: candidate.cells.filter((cell) => !shifted.includes(cell)),
  };
};

const isSudden = ({ delta }: Cell): boolean =>
  delta.persistentMs === null || delta.persistentMs < delta.fastMs / 2;

/** A shared cause is charged only where it is seen, or where chance may have hidden it. */
const shownShare = 0.3;
const hiddenBy = 3;
const shows = ({ part, delta }: Cell, magnitudeMs: number, spreadMs: number): boolean => {
  if (delta.fastMs >= shownShare * magnitudeMs) return true;
  // The low end of a cause that scatters follows the luckiest samples, however many there are.
  const steadiness = part === 'dns' ? 1 : Math.sqrt(Math.max(1, delta.sampleCount));
  const scatterMs = Math.hypot(delta.scaleMs, spreadMs / steadiness);
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
