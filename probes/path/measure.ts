import type { PathBody } from '#contract/body/path.ts';
import type { PathProbe } from '#contract/plan.ts';
import { type Address, createNameResolver } from '#probes/resolve.ts';
import { hasRoute, measureEndToEnd } from './end-to-end.ts';
import type { EngineAnswer, PathEngine } from './engine.ts';
import type { LastAddresses } from './last-addresses.ts';
import type { MtuAnswer, PathProtocol } from './messages.ts';
import { endHop } from './strategy.ts';

/** How long a packet may be away; also half the run's time at most, so that a loss is seen as one. */
const packetTimeoutMs = 1_000;
/** Targets whose distance is remembered. */
const rememberedTargets = 1_000;

/** Everything that came from the network, before it is judged. */
export type Measured =
  | { kind: 'no-address'; error: unknown }
  | { kind: 'no-route'; address: string | null }
  | {
      kind: 'asked';
      address: string;
      /** How the target was asked in the end. */
      protocol: PathBody['protocol'];
      traced: EngineAnswer;
      /** Round trips to the target, where the trace was of another protocol or there was none. */
      rttsMs: (number | null)[] | undefined;
      mtu: MtuAnswer | undefined;
    };

export type Parts = {
  engine: PathEngine;
  distances: Distances;
  lastAddresses: LastAddresses | undefined;
};

export const measure = async (
  probe: PathProbe,
  parts: Parts,
  signal: AbortSignal,
): Promise<Measured> => {
  const found = await findAddress(probe, parts, signal);
  if ('kind' in found) return found;
  const { address } = found;
  const timeoutMs = Math.max(50, Math.min(packetTimeoutMs, probe.timeoutMs / 2));
  const trace = (protocol: PathProtocol) =>
    traceHops({ ...probe, protocol }, address, timeoutMs, parts, signal);

  let { protocol } = probe;
  let traced = await trace(protocol);
  // ICMP needs a privilege; a connection to the port needs none.
  if (traced.kind === 'not-permitted' && protocol === 'icmp') {
    protocol = 'tcp';
    const byTcp = await trace(protocol);
    if (byTcp.kind !== 'not-permitted') traced = byTcp;
  }
  const isSame = traced.kind === 'packets' && traced.protocol === protocol;
  const rttsMs =
    isSame || protocol === 'icmp' || traced.kind === 'crashed'
      ? undefined
      : await measureEndToEnd(
          { protocol, address, port: probe.port, count: probe.packetCount, timeoutMs },
          signal,
        );
  const mtu = await findMtu(probe, address, timeoutMs, parts, signal);
  return { kind: 'asked', address, protocol, traced, rttsMs, mtu };
};

const findAddress = async (
  probe: PathProbe,
  { lastAddresses }: Parts,
  signal: AbortSignal,
): Promise<{ address: string } | Exclude<Measured, { kind: 'asked' }>> => {
  const followed = lastAddresses?.of(probe.follow ?? []);
  if (followed !== undefined && (await hasRoute(followed))) return { address: followed };
  const resolution = await createNameResolver().resolve(probe.host, signal, probe.family ?? 'any');
  if (!resolution.ok) return { kind: 'no-address', error: resolution.error };
  // The other family's addresses are waited for only where the first ones lead nowhere.
  const address =
    (await firstWithRoute(resolution.addresses)) ?? (await firstWithRoute(await resolution.later));
  if (address !== undefined) return { address };
  return { kind: 'no-route', address: resolution.addresses[0]?.address ?? null };
};

const firstWithRoute = async (addresses: readonly Address[]): Promise<string | undefined> => {
  for (const { address } of addresses) if (await hasRoute(address)) return address;
  return undefined;
};

const traceHops = async (
  probe: PathProbe,
  address: string,
  timeoutMs: number,
  { engine, distances }: Parts,
  signal: AbortSignal,
): Promise<EngineAnswer> => {
  const answer = await engine.trace(
    {
      address,
      protocol: probe.protocol,
      port: probe.port,
      packetCount: probe.packetCount,
      maxHops: probe.maxHops,
      knownHopCount: distances.get(address),
      packetTimeoutMs: timeoutMs,
      flows: probe.branches === true ? 'branches' : (probe.flows ?? 1),
      intervalMs: null,
    },
    signal,
  );
  const hopCount = answer.kind === 'packets' ? endHop(answer.packets) : null;
  if (hopCount !== null) distances.remember(address, hopCount);
  return answer;
};

const findMtu = async (
  probe: PathProbe,
  address: string,
  timeoutMs: number,
  { engine }: Parts,
  signal: AbortSignal,
): Promise<MtuAnswer | undefined> => {
  if (probe.mtu !== true || signal.aborted) return undefined;
  const { protocol, port } = probe;
  const answer = await engine.mtu({ address, protocol, port, timeoutMs }, signal);
  return answer.kind === 'mtu' ? answer.mtu : { bytes: null, blackHole: false, toldBy: null };
};

export type Distances = {
  get(address: string): number | null;
  remember(address: string, hopCount: number): void;
};

/** Hop counts of the last runs, so that a first burst does not shower a near target. */
export const createDistances = (): Distances => {
  const hopCounts = new Map<string, number>();
  return {
    get: (address) => hopCounts.get(address) ?? null,
    remember(address, hopCount) {
      hopCounts.delete(address);
      hopCounts.set(address, hopCount);
      const [oldest] = hopCounts.keys();
      if (hopCounts.size > rememberedTargets && oldest !== undefined) hopCounts.delete(oldest);
    },
  };
};
