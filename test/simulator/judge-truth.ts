import { type BinState, createBinState } from './bin-state.ts';
import type { PlacedDecoy, PlacedFault } from './hit.ts';
import { impactsOn, usualMs } from './impact.ts';
import type { WorldOptions } from './options.ts';
import type { Device, Population, Use } from './population.ts';
import { isThere } from './presence.ts';
import type { Topology } from './topology.ts';
import type { Impact, Label, TrueRoute, Truth } from './truth.ts';

/** Bins that a pair must have been well in to count as healthy, this one with them (§16.4). */
const healthyBins = 8;
const healthyMs = 8;
const mostStates = 16;

export const createTruths = (
  options: WorldOptions,
  topology: Topology,
  population: Population,
  faults: readonly PlacedFault[],
  decoys: readonly PlacedDecoy[],
) => {
  const binMs = options.binSeconds * 1_000;
  const states = new Map<number, BinState>();
  const pages = new Set(faults.filter(({ segment }) => segment === 'page').map(({ id }) => id));
  const devices = new Map(population.devices.map((device) => [device.id, device]));

  const stateAt = (fromMs: number): BinState => {
    const known = states.get(fromMs);
    if (known) return known;
    const made = createBinState(fromMs, faults, decoys);
    states.set(fromMs, made);
    const [oldest] = states.keys();
    if (states.size > mostStates && oldest !== undefined) states.delete(oldest);
    return made;
  };

  const find = (deviceId: string, appId: string): { device: Device; use: Use } | undefined => {
    const device = devices.get(deviceId);
    const use = device?.uses.find(({ appIndex }) => topology.applications[appIndex]?.id === appId);
    return device && use && { device, use };
  };

  const addedMs = (deviceId: string, appId: string, fromMs: number): Impact[] => {
    const state = stateAt(fromMs);
    const pair = state.faults.length === 0 ? undefined : find(deviceId, appId);
    return pair ? impactsOn(options, topology, state, pair.device, pair.use) : [];
  };

  const isDegraded = (deviceId: string, appId: string, fromMs: number): boolean => {
    const impacts = addedMs(deviceId, appId, fromMs);
    const pair = impacts.length > 0 ? find(deviceId, appId) : undefined;
    if (!pair) return false;
    const usual = usualMs(topology, pair.device, pair.use);
    const ofRequest = impacts.filter(({ faultId }) => !pages.has(faultId));
    return isMuch(ofRequest, usual.requestMs) || isMuch(impacts, usual.pageMs);
  };

  const isWell = (deviceId: string, appId: string, fromMs: number): boolean => {
    for (let i = 0; i < healthyBins; i++) {
      if (sumOf(addedMs(deviceId, appId, fromMs - i * binMs)) >= healthyMs) return false;
    }
    return true;
  };

  const label = (deviceId: string, appId: string, fromMs: number): Label => {
    if (isDegraded(deviceId, appId, fromMs)) return 'degraded';
    return isWell(deviceId, appId, fromMs) ? 'healthy' : 'between';
  };

  /** The way packets really take, one address a router, whether it answers traces or not. */
  const routeOf = (deviceId: string, appId: string, fromMs: number): TrueRoute => {
    const pair = find(deviceId, appId);
    if (!pair) return { first: [], second: [] };
    const { device, use } = pair;
    const { site } = device;
    const wanted = use.straight ?? device.leg;
    const { leg } = stateAt(fromMs).legOf(site.ispIndex, wanted);
    const over = (core: number): string[] => {
      const way = topology.firstLeg(site.line, site.ispIndex, core, leg.destination, leg.via);
      return [site.gatewayAddress, ...way.links.map(({ address }) => address)];
    };
    return {
      first: over(leg.core),
      other: over(1 - leg.core),
      second: use.onward?.links.map(({ address }) => address) ?? [],
    };
  };

  const at = (fromMs: number): Truth => {
    const { faults: activeFaults, decoys: activeDecoys } = stateAt(fromMs);
    return {
      fromMs,
      addedMs: (deviceId, appId) => addedMs(deviceId, appId, fromMs),
      label: (deviceId, appId) => label(deviceId, appId, fromMs),
      isPresent: (deviceId) => {
        const device = devices.get(deviceId);
        return device !== undefined && isThere(options, device, fromMs);
      },
      activeFaults,
      activeDecoys,
    };
  };

  return { at, addedMs, label, routeOf, stateAt };
};

const sumOf = (impacts: readonly Impact[]): number => impacts.reduce((sum, { ms }) => sum + ms, 0);

/** Noticeable, and one fault is half of it. */
const isMuch = (impacts: readonly Impact[], usual: number): boolean => {
  const sum = sumOf(impacts);
  const most = impacts[0]?.ms ?? 0;
  return sum >= Math.max(40, 0.1 * usual) && most >= sum / 2;
};
