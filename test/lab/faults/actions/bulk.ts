import type { Lab } from '../../lab.ts';
import { endKeeper, startKeeper } from '../keeper/keeper.ts';
import { type ActionOf, checkNode, type Doer } from './doer.ts';

const port = '5201';
/** Several connections fill a queue and keep it full where a single one would back off and recover. */
const connections = '4';

const idOf = ({ to }: ActionOf<'bulk'>): string => `bulk-to-${to}`;

/** An upload by iperf3 without an end. */
export const bulkDoer: Doer<'bulk'> = {
  changes: ({ to }) => `bulk traffic to ${to}`,
  check(lab, { from, to }) {
    checkNode(lab, from);
    checkNode(lab, to);
  },
  apply: (lab, action) => {
    const [address = ''] = lab.addressesOf(action.to);
    return startKeeper(lab.folder, idOf(action), {
      kind: 'traffic',
      serve: [...inside(lab, action.to), '-s', '-p', port],
      use: [...inside(lab, action.from), '-c', address, '-p', port, '-t', '0', '-P', connections],
    });
  },
  undo: (lab, action) => endKeeper(lab.folder, idOf(action)),
};

const inside = (lab: Lab, node: string): string[] => [
  ...['ip', 'netns', 'exec', lab.namespaceOf(node)],
  'iperf3',
];
