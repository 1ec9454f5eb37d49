import type { pathProtocols } from '#contract/body/path.ts';

/** One probe packet and what came of it; the record everything else is computed from. */
export type PathProbePacket = {
  ttl: number;
  round: number;
  /** Which of the run's flows; the first is 0. */
  flow: number;
  /** Null: nothing came back in time. */
  answer: PathAnswer | null;
};

/**
 * `target`: the target itself answered. `hop`: a router said the TTL ran out. `unreachable`: a
 * router said it cannot deliver. `unsent`: this machine's own stack refused to send. `too-big`:
 * only where the size is what was asked; `mtu` is the next hop's, 0 where it is not said.
 */
export type PathAnswer =
  | { kind: 'target' | 'hop' | 'unreachable'; address: string; rttMs: number }
  | { kind: 'unsent'; message: string }
  | { kind: 'too-big'; address: string; mtu: number };

export type PathProtocol = (typeof pathProtocols)[number];

export type TraceRequest = {
  address: string;
  protocol: PathProtocol;
  port: number;
  packetCount: number;
  maxHops: number;
  /** How far away the target was last time; null at the first run. */
  knownHopCount: number | null;
  packetTimeoutMs: number;
  /** Flows to send; `branches`: as many as it takes to have seen every branch. */
  flows: number | 'branches';
  /** Between rounds; null: as fast as is good. */
  intervalMs: number | null;
};

export type EchoRequest = { address: string; count: number; timeoutMs: number };

export type MtuRequest = {
  address: string;
  protocol: PathProtocol;
  port: number;
  timeoutMs: number;
};

/** `bytes` null: nothing that could be told from answers. */
export type MtuAnswer = {
  /** The largest packet, IP header included, that went all the way unfragmented. */
  bytes: number | null;
  /** Larger ones vanish without the word that is due to the sender (RFC 1191, RFC 8201). */
  blackHole: boolean;
  /** The router that said what fits. */
  toldBy: string | null;
};

/**
 * How packets were sent. `raw`: raw sockets. `error-queue`: ordinary sockets, hops from what the
 * kernel queues for them.
 */
export type SocketMethod = 'raw' | 'error-queue';

/** Parent → child. `key` names the run in the answers. */
export type EngineOrder =
  | { kind: 'trace'; key: number; request: TraceRequest; isLive: boolean }
  | { kind: 'echo'; key: number; request: EchoRequest }
  | { kind: 'mtu'; key: number; request: MtuRequest }
  | { kind: 'cancel'; key: number };

/** Child → parent: one for each trace or echo, cancelled ones with what there was. */
export type EngineReport =
  | {
      kind: 'packets';
      key: number;
      packets: PathProbePacket[];
      method: SocketMethod;
      /** What hops were asked with; not what was ordered where the engine has ICMP only. */
      protocol: PathProtocol;
    }
  | { kind: 'mtu'; key: number; mtu: MtuAnswer }
  /** Of a live trace: a packet whose fate is known. */
  | { kind: 'packet'; key: number; packet: PathProbePacket }
  | { kind: 'not-permitted'; key: number; reason: string };
