import { rateArguments, usualQueueMs } from '../../build/rates.ts';
import type { Lab } from '../../lab.ts';
import { interfaceName } from '../../topology/addresses.ts';
import { checkDirection, type Doer, endsOf, must } from './doer.ts';

/** A token bucket in place of what the direction has of its own. */
export const rateDoer: Doer<'rate'> = {
  changes: ({ direction }) => `the rate of ${direction}`,
  check: (lab, { direction }) => checkDirection(lab, direction),
  async apply(lab, { direction, kbits, queueMs }) {
    const { node, towards } = endsOf(direction);
    await must(lab, node, 'tc', rateArguments(towards, kbits, queueMs));
  },
  async undo(lab, { direction }) {
    const { node, towards } = endsOf(direction);
    const kbits = ownRate(lab, direction);
    if (kbits !== undefined) {
      await must(lab, node, 'tc', rateArguments(towards, kbits, usualQueueMs));
      return;
    }
    // It fails where there is none to delete.
    await lab.exec(node, 'tc', ['qdisc', 'delete', 'dev', interfaceName(towards), 'root']);
  },
};

const ownRate = (lab: Lab, direction: string): number | undefined => {
  const { node, towards } = endsOf(direction);
  for (const { a, b, rateMbits } of lab.topology.links) {
    if (a === node && b === towards) return rateMbits && rateMbits.fromA * 1_000;
    if (b === node && a === towards) return rateMbits && rateMbits.fromB * 1_000;
  }
  return undefined;
};
