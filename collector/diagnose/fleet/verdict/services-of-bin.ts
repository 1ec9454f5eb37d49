import type { BinView, Cell, CellPart, EdgeView, OnwardView } from '../bin-view.ts';

/** The bin's edges, onward measurements and cells, found by where a run was served. */
export type Services = {
  edge(edgeId: string): EdgeView | undefined;
  onward(where: Where): OnwardView | undefined;
  cell(part: CellPart, where: Where): Cell | undefined;
};

type Where = { appId: string; edgeId: string | null; edge?: { address: string | null } | null };

export const servicesOf = (view: BinView): Services => {
  const edges = new Map(view.edges.map((edge) => [edge.edgeId, edge]));
  const onward = new Map<string, OnwardView>();
  for (const each of view.onward) keep(onward, [each.edgeId, each.appId], each.frontEnd, each);
  const cells = new Map<string, Cell>();
  for (const each of view.cells) {
    keep(cells, [each.part, each.edgeId ?? '', each.appId], each.frontEnd, each);
  }
  return {
    edge: (edgeId) => edges.get(edgeId),
    onward: (where) => find(onward, [where.edgeId ?? '', where.appId], where),
    cell: (part, where) => find(cells, [part, where.edgeId ?? '', where.appId], where),
  };
};

/** Under its front end, and the first also under none: where a run does not say which it was. */
const keep = <T>(table: Map<string, T>, key: string[], frontEnd: string | null, value: T): void => {
  const any = key.join(' ');
  if (!table.has(any)) table.set(any, value);
  table.set(`${any} ${frontEnd ?? ''}`, value);
};

const find = <T>(table: Map<string, T>, key: string[], where: Where): T | undefined => {
  const any = key.join(' ');
  const address = where.edge?.address;
  const exact = address ? table.get(`${any} ${address}`) : undefined;
  return exact ?? table.get(`${any} `) ?? table.get(any);
};
