import type { Lab } from '../../lab.ts';
import { healthyNames, healthyWeb, wrongInChange } from '../../services/control.ts';
import { checkNode, type Doer } from './doer.ts';

/** A server or a name server that does not behave. */
export const serviceDoer: Doer<'service'> = {
  changes: ({ node }) => `the service on ${node}`,
  check(lab, { node, set }) {
    checkNode(lab, node);
    const wrong = wrongInChange(roleOf(lab, node), set);
    if (wrong !== undefined) throw new Error(`service on ${node}: ${wrong}`);
  },
  apply: (lab, { node, set }) => lab.services.set(node, set),
  undo(lab, { node, set }) {
    const healthy: Record<string, unknown> =
      roleOf(lab, node) === 'name-server' ? healthyNames : healthyWeb;
    const changed = Object.keys(set).map((field) => [field, healthy[field]]);
    return lab.services.set(node, Object.fromEntries(changed));
  },
};

const roleOf = (lab: Lab, node: string) =>
  lab.topology.nodes.find(({ name }) => name === node)?.role ?? 'router';
