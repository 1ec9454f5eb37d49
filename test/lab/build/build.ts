import { switchOffloadsOff } from '../kernel/link-settings.ts';
import { inNamespace } from '../kernel/namespace.ts';
import type { AddressPlan } from '../topology/addresses.ts';
import type { Routing } from '../topology/routes.ts';
import type { Topology } from '../topology/topology.ts';
import { writeEtcFiles } from './etc-files.ts';
import { namespaceName } from './names.ts';
import { makeNamespaces } from './namespaces.ts';
import type { PlacedQueue } from './queues.ts';
import { makeRates } from './rates.ts';
import { makeRules } from './rules.ts';
import { makeWires, untilWiresCarry } from './wires.ts';

/** What a network is made from. `signal` ends the making between two steps. */
export type Plans = {
  lab: string;
  topology: Topology;
  plan: AddressPlan;
  routing: Routing;
  queues: readonly PlacedQueue[];
  signal?: AbortSignal | undefined;
};

/** Steps in their order; all of them: a network without delays. */
export const steps = {
  namespaces: async ({ lab, topology }: Plans) => {
    writeEtcFiles(lab, topology);
    await makeNamespaces(lab, topology);
  },
  wires: async (plans: Plans) => {
    await makeWires(plans);
    turnOffloadsOff(plans);
  },
  rules: async (plans: Plans) => {
    await makeRules(plans);
    await makeRates(plans.lab, plans.topology);
    await untilWiresCarry(plans);
  },
};

const turnOffloadsOff = ({ lab, topology, plan }: Plans): void => {
  for (const { name } of topology.nodes) {
    const own = plan.interfaces.filter(({ node }) => node === name);
    inNamespace(namespaceName(lab, name), () => {
      for (const wire of own) switchOffloadsOff(wire.name);
    });
  }
};
