import type { ForwardingPolicy } from '#contract/policy.ts';
import { addressText, readPacket } from '#runtime/ip-packet.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import type { IpFlow } from '../tunnel/ip-flow.ts';
import { type KeptIpFlow, keepIpFlow } from '../tunnel/kept-ip-flow.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { directRanges } from './direct-ranges.ts';
import { openIpKernel } from './ip-kernel.ts';
import type { OwnTraffic } from './own-traffic.ts';

/**
 * `carried`: to the edge, from these addresses. `held`: nowhere, because the tunnel is down and the
 * policy is closed. `direct`: past the tunnel.
 */
export type IpCaptureStatus = {
  state: 'carried' | 'held' | 'direct';
  reason: string;
  edgeId: string | null;
  addresses: string[];
};

export type IpCapture = Running & {
  /** After a change of the policy, or of the network's type. */
  update(): void;
  status(): IpCaptureStatus;
};

/** A flow that ended comes back at once on another session, as a rule. */
const graceMs = 3_000;

/**
 * Carries what programs send that is neither TCP nor UDP (pings, traceroutes, GRE, …) to the edge as IP
 * packets. Linux only. Throws TunUnavailable, which names what is missing. All of it is gone when the
 * process is: device and rules at once, the routing rule, which then leads nowhere, at the next start.
 */
export const startIpCapture = async (parts: {
  tunnel: Pick<Tunnel, 'withSession' | 'onChange'>;
  policy: () => ForwardingPolicy;
  /** Whether such packets go past the tunnel: the forwarding decision for an address. */
  isDirect: (address: string) => boolean;
  /** Whose packets are never carried, path probes for one. */
  own: OwnTraffic;
  log: Log;
}): Promise<IpCapture> => {
  const log = parts.log.child({ component: 'ip-capture' });
  let state: IpCaptureStatus['state'] = 'direct';
  let reason = 'no edge yet';
  let used: IpFlow | undefined;
  let isRefused = false;
  /** Device or rules were removed by somebody else: nothing is carried until the next start. */
  let isLost = false;
  let grace: NodeJS.Timeout | undefined;
  let work: Promise<void> = Promise.resolve();
  let flow: KeptIpFlow | undefined;

  const kernel = await openIpKernel({
    onPackets: (packets) => flow?.send(packets.filter(isFrom(used?.addresses ?? []))),
    onLost(why) {
      log.error({ reason: why }, 'IP packets go direct from now on');
      isLost = true;
      set('direct', why);
    },
    own: parts.own,
    log,
  });

  const applyNow = (): Promise<void> => {
    if (state === 'direct') return kernel.letGo();
    return kernel.carry(used?.addresses, directRanges(parts.policy(), parts.isDirect));
  };
  /** One change after the other: the last one is what stays. */
  const apply = (): void => {
    if (isLost) return;
    work = work.then(applyNow).catch((error: unknown) => {
      log.error({ err: error }, 'rules for IP packets are not in force');
    });
  };
  const set = (next: IpCaptureStatus['state'], why: string): void => {
    if (isLost && state === 'direct') return;
    if (next !== state) log.info({ state: next, reason: why }, 'way of IP packets changed');
    const isSame = next === state && next !== 'carried';
    state = next;
    reason = why;
    if (!isSame) apply();
  };
  const goWithout = (why: string): void => {
    grace = undefined;
    used = undefined;
    set(!isRefused && parts.policy().whenTunnelDown === 'closed' ? 'held' : 'direct', why);
  };

  flow = keepIpFlow({
    tunnel: parts.tunnel,
    onPackets: (packets) => {
      if (used) kernel.write(packets.filter(isTo(used.addresses)));
    },
    onUp(opened) {
      clearTimeout(grace);
      grace = undefined;
      isRefused = false;
      used = opened;
      set('carried', `on edge ${opened.edgeId}`);
    },
    onDown(why, refused) {
      isRefused = refused;
      if (state === 'carried' && !refused) grace ??= setTimeout(() => goWithout(why), graceMs);
      else goWithout(why);
    },
    log,
  });
  goWithout(reason);

  return {
    update() {
      if (used) apply();
      else goWithout(reason);
      if (state === 'held') apply();
    },
    status: () => ({
      state,
      reason,
      edgeId: used?.edgeId ?? null,
      addresses: used?.addresses.map(addressText) ?? [],
    }),
    async stop() {
      clearTimeout(grace);
      flow?.stop();
      await work;
      await kernel.stop();
    },
  };
};

/** What the kernel says of itself by the device (multicast groups, for one) is not for the edge. */
const isFrom = (addresses: readonly Buffer[]) => {
  const own = keysOf(addresses);
  return (packet: Buffer): boolean => {
    const isFour = (packet[0] ?? 0) >> 4 === 4;
    return own.has(packet.toString('latin1', isFour ? 12 : 8, isFour ? 16 : 24));
  };
};

/** The edge says what comes to this device, but not to which of its addresses. */
const isTo = (addresses: readonly Buffer[]) => {
  const own = keysOf(addresses);
  return (packet: Buffer): boolean => own.has(readPacket(packet)?.destination ?? '');
};

const keysOf = (addresses: readonly Buffer[]): Set<string> =>
  new Set(addresses.map((address) => address.toString('latin1')));
