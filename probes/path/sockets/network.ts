import type { PathAnswer, PathProtocol } from '../messages.ts';
import type { Family } from '../packet.ts';

/** Bytes of the IP header, and of ICMP's or UDP's. */
export const headerBytes = { 4: 28, 6: 48 } as const satisfies Record<Family, number>;

/** `port` is of no use to ICMP. `index` tells flows of one run apart; run after run the same flow. */
export type FlowRequest = {
  protocol: PathProtocol;
  address: string;
  port: number;
  index: number;
};

export const nameOfFlow = ({ protocol, address, port, index }: FlowRequest): string =>
  `${protocol} ${address} ${port} ${index}`;

/** Probes that routers balancing by flow keep on one path: same addresses, ports and checksums. */
export type Flow = {
  /** Sends one probe; resolves with its answer, or null when none came in time. */
  /** `bytes`: size of the whole packet, which is not to be fragmented; TCP has one size only. */
  probe(ttl: number, timeoutMs: number, bytes?: number): Promise<PathAnswer | null>;
  /** Each probe waits for the one before: there can be one connection attempt of a flow at a time. */
  isSerial: boolean;
  close(): void;
};

/** The sockets of one address family. */
export type Network = {
  family: Family;
  /** Throws where the system does not permit this protocol, or has no route. */
  openFlow(request: FlowRequest): Flow;
  close(): void;
};
