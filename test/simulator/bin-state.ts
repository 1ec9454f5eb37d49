import type { Detour, Disguise, Hit, PlacedDecoy, PlacedFault } from './hit.ts';
import type { Link } from './network.ts';
import type { Device, Leg } from './population.ts';

/** What an active fault does to everything that meets it. */
export type Effect = {
  fault: PlacedFault;
  ms: number;
  lossRatio: number;
  exponential: boolean;
};

type On = Hit['on'];

/** What is wrong, and what looks wrong, in one bin. */
export type BinState = {
  faults: PlacedFault[];
  decoys: PlacedDecoy[];
  /** Effects on a thing of a kind; `undefined` for nearly all. */
  at(on: On, key: string | number): Effect[] | undefined;
  ofLink(link: Link): Effect[];
  holesIn(link: Link): Effect[];
  /** The way a leg is really taken, and what is put on its first link beyond the ISP, by core. */
  legOf(
    ispIndex: number,
    leg: Leg,
  ): { leg: Leg; effect: Effect | null; extraMs: Detour['extraMs'] };
  disguise<T extends Disguise['on']>(
    on: T,
    key: string | number,
  ): Extract<Disguise, { on: T }> | undefined;
  isQuiet: boolean;
};

export const createBinState = (
  fromMs: number,
  allFaults: readonly PlacedFault[],
  allDecoys: readonly PlacedDecoy[],
): BinState => {
  const isActive = (it: { startMs: number; endMs: number }) =>
    it.startMs <= fromMs && fromMs < it.endMs;
  const faults = allFaults.filter(isActive);
  const decoys = allDecoys.filter(isActive);
  const effects = effectsOf(faults);
  const disguises = new Map<string, Disguise>();
  for (const { disguise } of decoys) disguises.set(keyOfDisguise(disguise), disguise);

  const hasDetours = [
    ...faults.map(({ hit }) => hit),
    ...decoys.map(({ disguise }) => disguise),
  ].some(({ on }) => on === 'detour');
  const at = (on: On, key: string | number) => effects.get(on)?.get(key);
  return {
    faults,
    decoys,
    at,
    ofLink: ({ index, from, to }) => [
      ...(at('link', index) ?? []),
      ...(at('into', to.index) ?? []),
      ...(from === null ? [] : (at('out-of', from.index) ?? [])),
    ],
    holesIn: ({ index }) => at('mtu', index) ?? [],
    legOf(ispIndex, leg) {
      if (!hasDetours) return { leg, effect: null, extraMs: [] };
      const key = `${ispIndex}/${leg.destination.id}/${leg.via}`;
      const effect = at('detour', key)?.[0] ?? null;
      const detour = (effect?.fault.hit ?? disguises.get(`detour/${key}`)) as Detour | undefined;
      if (!detour) return { leg, effect: null, extraMs: [] };
      return { leg: { ...leg, via: detour.via }, effect, extraMs: detour.extraMs };
    },
    disguise: (on, key) =>
      disguises.size === 0 ? undefined : (disguises.get(`${on}/${key}`) as never),
    isQuiet: faults.length === 0 && decoys.length === 0,
  };
};

type Key = string | number;

/** By what they are on, then by which one of it: asked many times a record. */
const effectsOf = (faults: readonly PlacedFault[]): Map<On, Map<Key, Effect[]>> => {
  const effects = new Map<On, Map<Key, Effect[]>>();
  for (const fault of faults) {
    const { on } = fault.hit;
    const own = effects.get(on) ?? new Map<Key, Effect[]>();
    effects.set(on, own);
    for (const key of keysOf(fault.hit)) own.set(key, [...(own.get(key) ?? []), effectOf(fault)]);
  }
  return effects;
};

const keysOf = (hit: Hit): readonly Key[] => {
  switch (hit.on) {
    case 'lag':
    case 'wifi':
    case 'tunnel':
    case 'slow-line':
      return hit.devices;
    case 'gateway':
      return [hit.site];
    case 'link':
    case 'mtu':
      return [hit.link];
    case 'into':
    case 'out-of':
      return [hit.router];
    case 'detour':
      return [keyOfDetour(hit)];
    case 'edge-queue':
    case 'edge-tunnel':
    case 'edge-tls':
    case 'edge-dns':
      return [hit.edgeId];
    case 'application-dns':
    case 'application-tls':
    case 'render':
      return [hit.appIndex];
    case 'server':
      return [`${hit.appIndex}/${hit.frontEndId ?? 'all'}`];
    case 'third-party':
      return [hit.host];
  }
};

const keyOfDetour = ({ ispIndex, placeId, from }: Detour): string =>
  `${ispIndex}/${placeId}/${from}`;

const keyOfDisguise = (disguise: Disguise): string => {
  switch (disguise.on) {
    case 'replies':
      return `replies/${disguise.router}`;
    case 'edge-cpu':
      return `edge-cpu/${disguise.edgeId}`;
    case 'detour':
      return `detour/${keyOfDetour(disguise)}`;
    default:
      return `${disguise.on}/${disguise.device}`;
  }
};

const effectOf = (fault: PlacedFault): Effect => ({
  fault,
  ms: fault.cause === 'loss' ? 0 : fault.magnitude,
  lossRatio: fault.cause === 'loss' ? fault.magnitude : 0,
  exponential: fault.shape === 'exponential',
});

/** A device's leg as it is in a bin, on the tunnel's own ECMP member or another one. */
export const legNow = (state: BinState, device: Device, leg: Leg) =>
  state.legOf(device.site.ispIndex, leg);
