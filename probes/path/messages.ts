/** One probe packet and what came of it; the record everything else is computed from. */
export type PathProbePacket = {
  ttl: number;
  round: number;
  /** Null: nothing came back in time. */
  answer: PathAnswer | null;
};

/**
 * `target`: the target itself answered. `hop`: a router said the TTL ran out. `unreachable`: a
 * router said it cannot deliver. `unsent`: this machine's own stack refused to send.
 */
export type PathAnswer =
  | { kind: 'target' | 'hop' | 'unreachable'; address: string; rttMs: number }
  | { kind: 'unsent'; message: string };

export type TraceRequest = {
  address: string;
  packetCount: number;
  maxHops: number;
  /** How far away the target was last time; null at the first run. */
  knownHopCount: number | null;
  packetTimeoutMs: number;
};

export type EchoRequest = { address: string; count: number; timeoutMs: number };

/** Parent → child. `key` names the run in the answers. */
export type EngineOrder =
  | { kind: 'trace'; key: number; request: TraceRequest }
  | { kind: 'echo'; key: number; request: EchoRequest }
  | { kind: 'cancel'; key: number };

/** Child → parent: one for each trace or echo, cancelled ones with what there was. */
export type EngineReport =
  | { kind: 'packets'; key: number; packets: PathProbePacket[] }
  | { kind: 'not-permitted'; key: number; reason: string };
