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
  /** The way a leg is really taken, and what is put on its first link beyond the ISP. */
  legOf(ispIndex: number, leg: Leg): { leg: Leg; effect: Effect | null; extraMs: number };
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
  const effects = new Map<string, Effect[]>();
  const disguises = new Map<string, Disguise>();
  for (const fault of faults) {
    for (const key of keysOf(fault.hit)) {
      effects.set(key, [...(effects.get(key) ?? []), effectOf(fault)]);
    }
  }
  for (const { disguise } of decoys) disguises.set(keyOfDisguise(disguise), disguise);

  const at = (on: On, key: string | number) => effects.get(`${on}/${key}`);
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
      const key = `detour/${ispIndex}/${leg.destination.id}/${leg.via}`;
      const effect = effects.get(key)?.[0] ?? null;
      const detour = (effect?.fault.hit ?? disguises.get(key)) as Detour | undefined;
      if (!detour) return { leg, effect: null, extraMs: 0 };
      return { leg: { ...leg, via: detour.via }, effect, extraMs: detour.extraMs };
    },
    disguise: (on, key) => disguises.get(`${on}/${key}`) as never,
    isQuiet: faults.length === 0 && decoys.length === 0,
  };
};

const keysOf = (hit: Hit): string[] => {
  switch (hit.on) {
    case 'lag':
    case 'wifi':
    case 'tunnel':
    case 'slow-line':
      return hit.devices.map((device) => `${hit.on}/${device}`);
    case 'gateway':
      return [`gateway/${hit.site}`];
    case 'link':
    case 'mtu':
      return [`${hit.on}/${hit.link}`];
    case 'into':
    case 'out-of':
      return [`${hit.on}/${hit.router}`];
    case 'detour':
      return [keyOfDetour(hit)];
    case 'edge-queue':
    case 'edge-tunnel':
    case 'edge-tls':
    case 'edge-dns':
      return [`${hit.on}/${hit.edgeId}`];
    case 'application-dns':
    case 'application-tls':
    case 'render':
      return [`${hit.on}/${hit.appIndex}`];
    case 'server':
      return [`server/${hit.appIndex}/${hit.frontEndId ?? 'all'}`];
    case 'third-party':
      return [`third-party/${hit.host}`];
  }
};

const keyOfDetour = ({ ispIndex, placeId, from }: Detour): string =>
  `detour/${ispIndex}/${placeId}/${from}`;

const keyOfDisguise = (disguise: Disguise): string => {
  switch (disguise.on) {
    case 'replies':
      return `replies/${disguise.router}`;
    case 'edge-cpu':
      return `edge-cpu/${disguise.edgeId}`;
    case 'detour':
      return keyOfDetour(disguise);
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
