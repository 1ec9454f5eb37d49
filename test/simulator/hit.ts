import type { Via } from './topology.ts';
import type { Decoy, Fault } from './truth.ts';

/** Where in the world a fault does what it does. */
export type Hit =
  | { on: 'lag' | 'wifi' | 'tunnel' | 'slow-line'; devices: readonly number[] }
  | { on: 'gateway'; site: number }
  | { on: 'link'; link: number }
  /** Every packet that enters, or leaves, a router. */
  | { on: 'into' | 'out-of'; router: number }
  | { on: 'mtu'; link: number }
  /** An ISP's traffic to one place goes over another neighbour, whose way is longer. */
  | Detour
  | { on: 'edge-queue' | 'edge-tunnel' | 'edge-tls' | 'edge-dns'; edgeId: string }
  | { on: 'application-dns' | 'application-tls' | 'render'; appIndex: number }
  | { on: 'server'; appIndex: number; frontEndId: string | null }
  | { on: 'third-party'; host: string };

export type Detour = {
  on: 'detour';
  ispIndex: number;
  placeId: string;
  /** Only flows that went this way before. */
  from: Via;
  via: Via;
  /** By core: put on the first link of the new neighbour's, so that the whole differs by what was drawn. */
  extraMs: readonly number[];
};

export type PlacedFault = Fault & { hit: Hit };

export type Disguise =
  | { on: 'replies'; router: number; slowMs: number; lostRatio: number; returnMs: number }
  | { on: 'cpu' | 'memory' | 'signal'; device: number }
  | { on: 'edge-cpu'; edgeId: string }
  | Detour;

export type PlacedDecoy = Decoy & { disguise: Disguise };
