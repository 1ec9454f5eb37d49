import type { Cell } from '../bin-view.ts';
import { type CellCause, type CellGroup, type GroupKind, groupKinds } from './group.ts';
import { placeKey } from './place.ts';

/** A cause that stood in the bin before needs less to stand now. */
const formerShare = 0.5;

/** Everything that cells of one part may have in common, as candidates over their indexes. */
export const groupCells = (
  cause: CellCause,
  cells: readonly Cell[],
  former: ReadonlySet<string>,
): CellGroup[] =>
  distinct(
    groupKinds.flatMap((kind) => {
      const penaltyNats = cause.penaltyNats[kind];
      return penaltyNats === undefined ? [] : groupsOf(cause, kind, penaltyNats, cells, former);
    }),
    cause,
  );

/** Of two that the same cells belong to nothing tells them apart but how likely each is beforehand. */
const distinct = (groups: readonly CellGroup[], { penaltyNats }: CellCause): CellGroup[] => {
  const likeliest = new Map<string, CellGroup>();
  const prior = ({ kind }: CellGroup) => penaltyNats[kind] ?? 0;
  for (const group of groups) {
    const cells = group.members.join(' ');
    const known = likeliest.get(cells);
    if (known === undefined || prior(group) < prior(known)) likeliest.set(cells, group);
  }
  return [...likeliest.values()];
};

const groupsOf = (
  cause: CellCause,
  kind: GroupKind,
  penaltyNats: number,
  cells: readonly Cell[],
  former: ReadonlySet<string>,
): CellGroup[] => {
  const members = new Map<string, number[]>();
  for (const [index, cell] of cells.entries()) {
    const common = commonOf(kind, cell);
    if (common === null) continue;
    const known = members.get(common);
    if (known === undefined) members.set(common, [index]);
    else known.push(index);
  }
  return [...members].map(([common, indexes]): CellGroup => {
    const first = cells[indexes[0] as number] as Cell;
    const what = {
      kind,
      edgeId: kind === 'edge' || kind === 'place' ? first.edgeId : null,
      appId: kind === 'edge' ? null : first.appId,
      frontEnd: kind === 'front-end' || kind === 'place' ? first.frontEnd : null,
    };
    const { key, element } = cause.name(what);
    return {
      ...what,
      key: `${kind} ${common}`,
      elementId: element.id,
      members: Int32Array.from(indexes),
      penaltyNats: former.has(key) ? formerShare * penaltyNats : penaltyNats,
      minimum: cause.minimumMs,
      part: cause.part,
      cells: indexes.map((index) => cells[index] as Cell),
    };
  });
};

/** What the cells of a group share, as text; null: this one belongs to no such group. */
const commonOf = (kind: GroupKind, cell: Cell): string | null => {
  switch (kind) {
    case 'edge':
      // Straight runs share no edge, and no resolver.
      return cell.edgeId;
    case 'application':
      return cell.appId;
    case 'front-end':
      return cell.frontEnd === null ? null : `${cell.appId}\n${cell.frontEnd}`;
    case 'place':
      return placeKey(cell);
  }
};
