import { type Libc, openLibc } from '#runtime/kernel/libc.ts';
import { openIcmpSession } from './icmp-session.ts';
import type { PathProtocol, SocketMethod } from './messages.ts';
import { type Family, familyOf } from './packet.ts';
import { openErrorQueueNetwork } from './sockets/error-queue.ts';
import { createInbox } from './sockets/inbox.ts';
import type { Flow, FlowRequest, Network } from './sockets/network.ts';
import { createPoller } from './sockets/pending.ts';
import { openRawNetwork } from './sockets/raw.ts';

/** The best way this machine permits to send probes of a protocol to an address. */
export type Way = {
  method: SocketMethod;
  protocol: PathProtocol;
  /** Throws the system's error. The first of a run is 0. */
  openFlow(index: number): Flow;
};

export type Networks = {
  /** Throws, with the reason, where nothing of the protocol is permitted. */
  wayTo(target: Omit<FlowRequest, 'index'>): Promise<Way>;
};

/**
 * Linux and koffi: raw sockets, else ordinary ones with their error queue. Anywhere else net-ping,
 * which knows ICMP only.
 */
export const createNetworks = ({ withNetPing = false } = {}): Networks => {
  const libc = withNetPing ? Promise.resolve(undefined) : openLibc();
  const families = new Map<Family, Promise<Kernel>>();
  const sessions = new Map<Family, ReturnType<typeof openIcmpSession>>();

  const kernelOf = (family: Family, bound: Libc): Promise<Kernel> => {
    const known = families.get(family) ?? openKernel(family, bound);
    families.set(family, known);
    return known;
  };

  const netPingTo = async (address: string): Promise<Way> => {
    const family = familyOf(address);
    // A socket error (an interface gone) ends the session; the next run opens another.
    const opened = sessions.get(family) ?? openIcmpSession(family, () => sessions.delete(family));
    sessions.set(family, opened);
    opened.catch(() => sessions.delete(family));
    const session = await opened;
    return {
      method: 'raw',
      protocol: 'icmp',
      openFlow: () => ({ ...session.openFlow(address), isSerial: false }),
    };
  };

  return {
    async wayTo(target) {
      const bound = await libc;
      if (bound === undefined) return netPingTo(target.address);
      const { raw, queue } = await kernelOf(familyOf(target.address), bound);
      const { protocol } = target;
      const of = (network: Network) => (index: number) => network.openFlow({ ...target, index });
      if (raw !== undefined) {
        return { method: 'raw', protocol, openFlow: of(raw) };
      }
      // Whether the user may have an ICMP socket shows when it is opened.
      if (protocol === 'icmp') of(queue)(0).close();
      return { method: 'error-queue', protocol, openFlow: of(queue) };
    },
  };
};

type Kernel = { raw: Network | undefined; queue: Network };

const openKernel = async (family: Family, libc: Libc): Promise<Kernel> => {
  const parts = { family, libc, inbox: createInbox(libc), poller: createPoller() };
  const queue = openErrorQueueNetwork(parts);
  try {
    const raw = openRawNetwork(parts);
    await warmUp(raw, 'icmp');
    return { raw, queue };
  } catch {
    await warmUp(queue, 'udp').catch(() => {});
    return { raw: undefined, queue };
  }
};

const warmUpPackets = 8;

/**
 * The first packets through code that has not run yet read 0.3–0.7 ms too long. A few to this
 * machine itself take that; where even loopback is down they are lost quickly.
 */
const warmUp = async (network: Network, protocol: PathProtocol): Promise<void> => {
  const address = network.family === 6 ? '::1' : '127.0.0.1';
  const flow = network.openFlow({ protocol, address, port: 33_434, index: 0 });
  for (let sent = 0; sent < warmUpPackets; sent += 1) await flow.probe(64, 20);
  flow.close();
};
