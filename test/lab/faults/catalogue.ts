import { accessFaults } from './catalogue/access.ts';
import { decoys } from './catalogue/decoys.ts';
import { deviceFaults } from './catalogue/device.ts';
import { edgeFaults } from './catalogue/edge.ts';
import { mixedFaults } from './catalogue/mixed.ts';
import { nameFaults } from './catalogue/names.ts';
import { serverFaults } from './catalogue/server.ts';
import { transitFaults } from './catalogue/transit.ts';
import type { Fault } from './fault.ts';
import { nearestName } from './nearest-name.ts';

/** Every fault of the topology two-sites, from the user outwards, then what must not be blamed. */
export const faults: readonly Fault[] = [
  ...deviceFaults,
  ...accessFaults,
  ...edgeFaults,
  ...transitFaults,
  ...serverFaults,
  ...nameFaults,
  ...mixedFaults,
  ...decoys,
];

export const faultNamed = (name: string): Fault => {
  const found = faults.find((fault) => fault.name === name);
  if (found) return found;
  const names = faults.map((fault) => fault.name);
  throw new Error(`no fault is called "${name}"${nearestName(name, names)}`);
};
