import type { Infer } from '../accepted.ts';
import type { Cell } from '../bin-view.ts';
import { application } from '../causes/application.ts';
import { inferDevices } from '../causes/device.ts';
import { inEdge } from '../causes/edge.ts';
import { inferMtuHoles } from '../causes/mtu.ts';
import { nameResolution } from '../causes/name-resolution.ts';
import { inferPages } from '../causes/page.ts';
import { inferSlowLines } from '../causes/slow-line.ts';
import { tlsWork } from '../causes/tls.ts';
import { transfer } from '../causes/transfer.ts';
import { acceptCells } from './accepted-cells.ts';
import { findInCells } from './cell-findings.ts';
import { joinByEdge } from './edge-overload.ts';
import { findHoles, type Hole } from './tested-ways.ts';

/** Parts of an answer that lie in a service. A part added to the view needs its line here. */
const cellCauses = [inEdge, nameResolution, tlsWork, application, transfer] as const;

/** Causes that lie at the ends of the ways and in the edge, and holes of ways that no delay shows. */
export const inferServices: Infer = (view, former, options) => {
  const holes = findHoles(view);
  const services = { ...view, cells: view.cells.filter((cell) => !isBehindHole(cell, holes)) };
  return [
    ...joinByEdge(findInCells(services, cellCauses, former, options)).map((found) =>
      acceptCells(found, view),
    ),
    ...inferPages(view, former, options),
    ...inferDevices(view, former, options),
    ...inferSlowLines(view, former),
    ...inferMtuHoles(view, holes, options),
  ];
};

/** What a handshake or a transfer waits for on a way with a hole is not the service's. */
const isBehindHole = (cell: Cell, holes: readonly Hole[]): boolean =>
  (cell.part === 'tls' || cell.part === 'transfer') && holes.some((hole) => hole.isAt(cell));
