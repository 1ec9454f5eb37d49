import type { Infer } from '../accepted.ts';
import type { BinView, Cell, PageCell } from '../bin-view.ts';
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
import { placeKey, placeOf } from './place.ts';
import { joinScatter } from './scatter.ts';
import { findHoles, type Hole } from './tested-ways.ts';

/** Parts of an answer that lie in a service. A part added to the view needs its line here. */
const cellCauses = [inEdge, nameResolution, tlsWork, application, transfer] as const;

/** Causes that lie at the ends of the ways and in the edge, and holes of ways that no delay shows. */
export const inferServices: Infer = (view, former, options) => {
  const holes = findHoles(view);
  const isOfHole = ofHoles(view, holes);
  const services = {
    ...view,
    cells: view.cells.filter((cell) => !isOfHole.cell(cell)),
    pages: view.pages.filter((page) => !isOfHole.page(page)),
  };
  return [
    ...joinScatter(joinByEdge(findInCells(services, cellCauses, former, options))).map((found) =>
      acceptCells(found, view),
    ),
    ...inferPages(services, former, options),
    ...inferDevices(view, former, options),
    ...inferSlowLines(view, former, (device, app) => holes.some((hole) => hole.isOn(device, app))),
    ...inferMtuHoles(view, holes, options),
  ];
};

/** Of those who met a place, or loaded a page, so many must go through a hole for its middle to be theirs. */
const mostOfPlace = 0.4;

/** What a handshake, a transfer or a page waits for on a way with a hole is not the service's. */
const ofHoles = (view: BinView, holes: readonly Hole[]) => {
  const { atPlace, ofApp } = sufferersOf(view, holes);
  const isMost = (count: number | undefined, of: number) =>
    (count ?? 0) >= mostOfPlace * Math.max(1, of);
  return {
    cell: (cell: Cell): boolean =>
      (cell.part === 'tls' || cell.part === 'transfer') &&
      (holes.some((hole) => hole.isAt(cell)) ||
        (atPlace.size > 0 && isMost(atPlace.get(placeKey(cell)), cell.deviceCount))),
    page: (page: PageCell): boolean =>
      ofApp.size > 0 && isMost(ofApp.get(page.appId), page.deviceCount),
  };
};

/** Devices behind a hole: by the place that they met, and by application. */
const sufferersOf = (view: BinView, holes: readonly Hole[]) => {
  const atPlace = new Map<string, number>();
  const ofApp = new Map<string, number>();
  for (const index of holes.length === 0 ? [] : view.ailing) {
    const device = view.device(index);
    for (const app of device.applications) {
      if (app.runCount === 0 || !holes.some((hole) => hole.isOn(device, app))) continue;
      const key = placeKey(placeOf(app));
      atPlace.set(key, (atPlace.get(key) ?? 0) + 1);
      ofApp.set(app.appId, (ofApp.get(app.appId) ?? 0) + 1);
    }
  }
  return { atPlace, ofApp };
};
