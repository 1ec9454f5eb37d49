import { planQueues } from '../../build/queues.ts';
import type { Lab } from '../../lab.ts';
import { type Impairment, noImpairment } from '../../shim/control.ts';
import { planAddresses } from '../../topology/addresses.ts';
import { checkKnown, type Doer } from './doer.ts';

/** Delay, jitter, loss and disorder of packets in one queue. */
export const shimDoer: Doer<'shim'> = {
  changes: ({ key }) => `packets of ${key}`,
  check: (lab, { key }) => checkKnown('queue', key, [...ownImpairments(lab).keys()]),
  async apply(lab, { key, add }) {
    const own = ownImpairments(lab).get(key) ?? noImpairment;
    await lab.shim.set(key, {
      ...add,
      delayMs: own.delayMs + (add.delayMs ?? 0),
      jitterMs: own.jitterMs + (add.jitterMs ?? 0),
    });
  },
  async undo(lab, { key }) {
    await lab.shim.set(key, ownImpairments(lab).get(key) ?? noImpairment);
  },
};

/** By queue, what the topology itself wants. */
const ownImpairments = ({ name, topology }: Lab): Map<string, Impairment> =>
  new Map(
    planQueues(name, topology, planAddresses(topology)).map(({ key, impairment }) => [
      key,
      impairment,
    ]),
  );
