import { interfaceName } from '../../topology/addresses.ts';
import type { ActionOf } from './doer.ts';
import { checkDirection, type Doer, endsOf } from './doer.ts';
import { beforeShim, putTable, removeTable } from './filter.ts';

const tableOf = ({ direction, family }: ActionOf<'drop'>): string =>
  `whyslow_drop_${family}_to_${endsOf(direction).towards}`;

/** A hole for one family, forwarded packets and the node's own. */
export const dropDoer: Doer<'drop'> = {
  changes: ({ direction, family }) => `${family} of ${direction}`,
  check: (lab, { direction }) => checkDirection(lab, direction),
  apply: (lab, action) => {
    const { node, towards } = endsOf(action.direction);
    return putTable(lab, node, tableOf(action), [
      `chain leaves { type filter hook postrouting priority ${beforeShim};`,
      `oifname "${interfaceName(towards)}" meta nfproto ${action.family} drop`,
      '}',
    ]);
  },
  undo: (lab, action) => removeTable(lab, endsOf(action.direction).node, tableOf(action)),
};
