import type { Accepted, Infer, InferOptions } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import { createAccept } from './accept.ts';
import { type Gathered, gather, gatherAlone } from './gather.ts';
import { solveDelay } from './solve-delay.ts';
import { solveLoss } from './solve-loss.ts';
import { unionsOf } from './unions.ts';

/** Causes on the way: device to edge, edge to application and straight; delay and loss. */
export const inferNetwork: Infer = (view, former, options, lately = former) => {
  if (options.fleet) return inferFrom(view, gather(view), former, options, lately);
  return gatherAlone(view).flatMap((alone) => inferFrom(view, alone, former, options, lately));
};

const inferFrom = (
  view: BinView,
  gathered: Gathered,
  former: ReadonlySet<string>,
  options: InferOptions,
  lately: ReadonlySet<string>,
): Accepted[] => {
  if (gathered.slots.length === 0) return [];
  const groups = [...gathered.groups.values(), ...unionsOf(gathered)];
  const accept = createAccept(view, gathered);
  return [
    ...solveDelay(gathered, groups, former, options, lately).flatMap(accept.delay),
    ...solveLoss(gathered, groups, former).flatMap(accept.loss),
  ];
};
