import { changeState, readState } from '../state.ts';
import { type AddressPlan, interfaceName } from '../topology/addresses.ts';
import { type Metrics, planRoutes } from '../topology/routes.ts';
import type { Topology } from '../topology/topology.ts';
import { namespaceName } from './names.ts';
import { differenceLines, routeLines } from './route-lines.ts';
import { inParallel, ipBatch } from './run.ts';
import { neighbourLines } from './wires.ts';

type Parts = { lab: string; topology: Topology; plan: AddressPlan };

/** New tables for other metrics; only what differs is written, and all of it after an interruption. */
export const changeMetrics = async (parts: Parts, metrics: Metrics): Promise<void> => {
  const { lab, topology, plan } = parts;
  const state = readState(lab);
  if (state === undefined) throw new Error(`the lab "${lab}" is not up`);
  const before = planRoutes(topology, plan, state.metrics).tables;
  const after = planRoutes(topology, plan, metrics).tables;
  const lines = (node: string): string[] => {
    const changes = differenceLines(before.get(node) ?? [], after.get(node) ?? []);
    if (state.isRoutingWhole) return changes;
    return [...changes, ...routeLines(after.get(node) ?? [])];
  };
  changeState(lab, { isRoutingWhole: false });
  await inParallel(topology.nodes, ({ name }) =>
    // -force: after an interruption a route to be deleted may be gone already.
    ipBatch(['-force', '-n', namespaceName(lab, name)], lines(name)).catch((error) => {
      if (state.isRoutingWhole) throw error;
    }),
  );
  changeState(lab, { metrics, isRoutingWhole: true });
};

/**
 * Takes both ends of a link down or up. The kernel forgets what led over a link that is down, so
 * coming up writes neighbours and tables of both ends anew.
 */
export const setLinkUp = async (parts: Parts, link: string, isUp: boolean): Promise<void> => {
  const { lab, topology, plan } = parts;
  const ends = plan.interfaces.filter((end) => end.linkId === link);
  if (ends.length === 0) throw new Error(`${topology.name} has no link "${link}"`);
  const metrics = readState(lab)?.metrics ?? {};
  const { tables } = planRoutes(topology, plan, metrics);
  const each = (lines: (node: string, towards: string) => string[]) =>
    inParallel(ends, ({ node, towards }) =>
      ipBatch(['-n', namespaceName(lab, node)], lines(node, towards)),
    );
  await each((_, towards) => [`link set dev ${interfaceName(towards)} ${isUp ? 'up' : 'down'}`]);
  if (!isUp) return;
  await each((node) => [...neighbourLines(plan, node), ...routeLines(tables.get(node) ?? [])]);
};
