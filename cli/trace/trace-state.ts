import type { Hop, PathBody } from '#contract/body/path.ts';
import type { HopNames } from '#probes/path/hop-names.ts';
import type {
  MtuAnswer,
  PathProbePacket,
  PathProtocol,
  SocketMethod,
} from '#probes/path/messages.ts';
import type { OriginTable } from '#probes/path/origins.ts';
import { describeHops } from '#probes/path/path.ts';
import { endToEndOf, hopsOf, routeHashOf, targetRoundTrips } from '#probes/path/statistics.ts';

/** What is known of a path while it is being traced; everything shown comes from here. */
export type TraceState = {
  target: string;
  address: string;
  protocol: PathProtocol;
  port: number;
  method: SocketMethod | null;
  packets: PathProbePacket[];
  /** Of several flows, where branches were asked for. */
  flowPackets: PathProbePacket[];
  mtu: MtuAnswer | null;
  /** Null where branches were not asked for, or not yet looked for. */
  branches: BranchSearch | null;
  /** What to tell below the hops. */
  notes: string[];
};

/** `hopCount`: hops with several addresses; not conclusive where routers do not tell flows apart. */
export type BranchSearch = { flowCount: number; hopCount: number; isConclusive: boolean };

export type TraceView = Pick<
  PathBody,
  'reached' | 'hops' | 'rttMinMs' | 'rttMedianMs' | 'jitterMs' | 'lossRatio' | 'routeHash'
> & { sentCount: number; rounds: number };

/** Rounds that are shown and counted; older ones are forgotten. */
const keptRounds = 1_000;

/** A probe's fate joins what is known. */
export const addPacket = (state: TraceState, packet: PathProbePacket): void => {
  state.packets.push(packet);
  const oldest = packet.round - keptRounds;
  if (oldest < 0 || packet.round % 100 !== 0 || packet.ttl !== 1) return;
  state.packets = state.packets.filter(({ round }) => round > oldest);
};

export const viewOf = (state: TraceState): TraceView => {
  const hops = hopsOf(state.packets);
  const { reached, rttsMs } = targetRoundTrips(state.packets);
  const branched = new Map(
    state.flowPackets.length === 0
      ? []
      : hopsOf(state.flowPackets).map(({ ttl, branches }) => [ttl, branches]),
  );
  return {
    reached,
    hops: hops.map((hop) => {
      const branches = branched.get(hop.ttl);
      return branches === undefined ? hop : { ...hop, branches };
    }),
    ...endToEndOf(rttsMs),
    sentCount: rttsMs.length,
    routeHash: routeHashOf(hops),
    rounds: roundsOf(state.packets),
  };
};

export const roundsOf = (packets: readonly PathProbePacket[]): number =>
  packets.reduce((most, { round }) => Math.max(most, round + 1), 0);

/** With names and owners, as far as they are known. */
export const withOrigins = async (
  hops: readonly Hop[],
  names: HopNames | undefined,
  origins: OriginTable | undefined,
): Promise<Hop[]> => describeHops(hops, { names, origins, signal: AbortSignal.timeout(1_000) });

/** Round trips of one TTL, oldest first; null for what was not answered. */
export const roundTripsOf = (
  packets: readonly PathProbePacket[],
  ttl: number,
  count: number,
): (number | null)[] =>
  packets
    .filter((packet) => packet.ttl === ttl && packet.answer?.kind !== 'unsent')
    .slice(-count)
    .map(({ answer }) => (answer !== null && 'rttMs' in answer ? answer.rttMs : null));
