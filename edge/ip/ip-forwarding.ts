import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { type AddressPool, createAddressPool } from './address-pool.ts';
import type { IpForwardingConfig } from './config.ts';
import { openKernelPath } from './kernel-path.ts';

/** The addresses of one stream of a device, and its way into the kernel. */
export type IpLease = {
  /** One of each family that the edge has. */
  addresses: Buffer[];
  /** Returns how many went on their way. */
  forward(packets: readonly Buffer[]): number;
  release(): void;
};

export type NoLease = {
  problem: string;
  error: 'connection_limit_reached' | 'destination_unavailable';
};

/** Packets of devices that are neither TCP nor UDP, by the kernel under the edge's address. */
export type IpForwarding = {
  mtuBytes: number;
  /** TCP and UDP too. */
  carriesAll: boolean;
  /** The edge's address of a family towards its devices. */
  own(version: 4 | 6): Buffer | undefined;
  /**
   * In words when there is none. `onPackets` gets views of memory that is overwritten after it;
   * `onEnd`: no packet passes any more.
   */
  lease(holder: {
    deviceId: string;
    onPackets: (packets: Buffer[]) => void;
    onEnd: () => void;
  }): IpLease | NoLease;
  /** Ends all streams, which devices would keep for ever: they go to another edge. */
  drain(): void;
  stop(): Promise<void>;
};

const defaultMtuBytes = 1_400;
/** Over all processes of an edge; each takes an address. */
const maxPerDevice = 4;
/** An agent needs one, and two while it changes sessions, which may both be in one process. */
const minPerDevice = 2;

/** What one process of so many gives a device at once. */
export const leasesPerDevice = (processCount: number): number =>
  Math.max(minPerDevice, Math.floor(maxPerDevice / processCount));

type Holder = Parameters<IpForwarding['lease']>[0] & { packets: Buffer[] };

/** Throws TunUnavailable, which names what the machine lacks. */
export const startIpForwarding = async (parts: {
  config: IpForwardingConfig;
  /** Which part of the pools is this process's. */
  part?: { index: number; count: number };
  /**
   * TCP and UDP as well, which costs an edge its limits and records of flows: for measuring what a
   * packet costs, and no setting of an edge's config.
   */
  carryAll?: boolean;
  log: Log;
}): Promise<IpForwarding> => {
  const { config, part, carryAll: carriesAll = false } = parts;
  const { monotonicMs } = systemClock;
  const mostLeases = leasesPerDevice(part?.count ?? 1);
  const log = parts.log.child({ component: 'ip-forwarding' });
  const mtuBytes = config.mtuBytes ?? defaultMtuBytes;
  const pools: { four?: AddressPool; six?: AddressPool } = {};
  if (config.pool4) pools.four = createAddressPool(config.pool4, { part, monotonicMs });
  if (config.pool6) pools.six = createAddressPool(config.pool6, { part, monotonicMs });
  /** By address, as packets have it. */
  const holders = new Map<string, Holder>();
  const countOf = new Map<string, number>();
  let problem: string | undefined;

  const deliver = (packets: readonly Buffer[]) => {
    const touched: Holder[] = [];
    for (const packet of packets) {
      const holder = holders.get(destinationOf(packet));
      if (!holder) continue;
      if (holder.packets.length === 0) touched.push(holder);
      holder.packets.push(packet);
    }
    for (const holder of touched) holder.onPackets(holder.packets.splice(0));
  };
  const endAll = (why: string) => {
    problem = why;
    for (const holder of new Set(holders.values())) holder.onEnd();
  };
  const path = await openKernelPath({
    pools,
    mtuBytes,
    onPackets: deliver,
    onLost(reason) {
      log.error({ reason }, 'IP packets are not forwarded any more: the edge has to be restarted');
      endAll(reason);
    },
  });
  log.info({ ...config, mtuBytes }, 'forwarding IP packets');

  const take = (deviceId: string): Buffer[] | undefined => {
    const taken: Buffer[] = [];
    for (const pool of [pools.four, pools.six]) {
      const address = pool?.take(deviceId);
      if (address) taken.push(address);
      else if (pool) {
        giveBack(taken);
        return undefined;
      }
    }
    return taken;
  };
  const giveBack = (addresses: readonly Buffer[]) => {
    for (const address of addresses) {
      (address.length === 4 ? pools.four : pools.six)?.release(address);
    }
  };
  const count = (deviceId: string, change: 1 | -1) => {
    const now = (countOf.get(deviceId) ?? 0) + change;
    if (now > 0) countOf.set(deviceId, now);
    else countOf.delete(deviceId);
  };

  return {
    mtuBytes,
    carriesAll,
    own: (version) => (version === 4 ? pools.four : pools.six)?.own,
    lease(asked) {
      if (problem !== undefined) return { problem, error: 'destination_unavailable' };
      const { deviceId } = asked;
      if ((countOf.get(deviceId) ?? 0) >= mostLeases) return over('too many of the device');
      const addresses = take(deviceId);
      if (!addresses) return over('no address is free: one given back rests for 3 minutes');
      const holder: Holder = { ...asked, packets: [] };
      count(deviceId, 1);
      const keys = addresses.map((address) => address.toString('latin1'));
      for (const key of keys) holders.set(key, holder);
      let isHeld = true;
      return {
        addresses,
        forward: (packets) => (isHeld ? path.forward(packets) : 0),
        release() {
          if (!isHeld) return;
          isHeld = false;
          for (const key of keys) holders.delete(key);
          giveBack(addresses);
          count(deviceId, -1);
        },
      };
    },
    drain: () => endAll('the edge is stopping'),
    async stop() {
      endAll('the edge is stopping');
      await path.close();
    },
  };
};

const over = (problem: string): NoLease => ({ problem, error: 'connection_limit_reached' });

const destinationOf = (packet: Buffer): string =>
  (packet[0] ?? 0) >> 4 === 4
    ? packet.toString('latin1', 16, 20)
    : packet.toString('latin1', 24, 40);
