import type { Materials } from '../materials.ts';
import type { Processes } from '../processes.ts';
import type { Way } from '../way.ts';

export type PeerParts = { processes: Processes; materials: Materials; originPort: number };

/** Debian's package that has it, how to tell, and how to start it on loopback. */
export type Peer = {
  name: string;
  package: string;
  programs: readonly string[];
  start(parts: PeerParts): Promise<Way>;
};
