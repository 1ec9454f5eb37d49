import type { Row } from '../rows.ts';
import type { Link } from './link.ts';
import type { Materials } from './materials.ts';
import { startEdgeRole } from './ours.ts';
import { startWireguard } from './peers/wireguard.ts';
import { cpuSeconds, type Processes } from './processes.ts';
import { beside, median } from './rows.ts';
import type { Way } from './way.ts';

type UdpEcho = { echoesPerSecond: number; cpuMicrosPerEcho: number; lostRatio: number };

const echoPort = 5_353;
const seconds = 3;
const window = 64;
/** Of the program whose datagrams they are. */
const uid = 12_345;

/** What carries them: both ends' processes, and where the far end of the cable is by that way. */
type UdpWay = Pick<Way, 'name' | 'pids'> & { host: string };

/**
 * Datagrams of 1,200 bytes, 64 under way, sent back at the far end of a cable: by way of agent and edge
 * (TPROXY, connect-udp), beside wireguard-go.
 */
export const measureUdp = async (options: {
  processes: Processes;
  materials: Materials;
  link: Link;
  rounds: number;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, materials, link, log } = options;
  const peer = await startWireguard(processes, materials.folder, link, echoPort);
  await processes.role('udp-role.ts', { role: 'echo', port: echoPort }, { namespace: link.far });
  const ways: UdpWay[] = [
    await startOursByUdp({ ...options, past: [peer.target.host] }),
    { name: peer.name, pids: peer.pids, host: peer.target.host },
  ];
  const results = ways.map((): UdpEcho[] => []);
  for (let round = 1; round <= options.rounds; round++) {
    for (const [at, way] of ways.entries()) {
      const echo = await measureUdpEcho(processes, link.near, way);
      results[at]?.push(echo);
      const { echoesPerSecond, cpuMicrosPerEcho, lostRatio } = echo;
      log(
        `round ${round}: ${way.name} ${Math.round(echoesPerSecond)} echoes/s, ${cpuMicrosPerEcho.toFixed(1)} µs each, ${(lostRatio * 100).toFixed(2)} % lost`,
      );
    }
  }
  const middle = (at: 0 | 1, key: keyof UdpEcho) =>
    median((results[at] ?? []).map((one) => one[key]));
  return [
    beside(
      ...([`connect-udp echo / ${peer.name}`, 'packets/s'] as const),
      ...([middle(0, 'echoesPerSecond'), middle(1, 'echoesPerSecond'), '>=0.9'] as const),
    ),
    beside(
      ...([`connect-udp CPU of an echo / ${peer.name}`, 'µs'] as const),
      ...([middle(0, 'cpuMicrosPerEcho'), middle(1, 'cpuMicrosPerEcho'), '<=1'] as const),
    ),
  ];
};

/** Everything a program of the near end sends by UDP is captured; the edge is at the far end. */
const startOursByUdp = async (options: {
  processes: Processes;
  materials: Materials;
  link: Link;
  /** Addresses that are not captured: the peer's own. */
  past: string[];
}): Promise<UdpWay> => {
  const { processes, materials, link, past } = options;
  const edgeLink = { ...link, edgeAddress: link.farAddress };
  const { role: edge, entry } = await startEdgeRole(processes, materials.edge, edgeLink);
  const device = await processes.role(
    'udp-role.ts',
    { role: 'device', identity: materials.device, edge: entry, past },
    { namespace: link.near },
  );
  // Any address with a way to it: the agent has the name, and the edge the address.
  return { name: 'whyslow connect-udp', pids: [device.pid, edge.pid], host: link.farAddress };
};

const measureUdpEcho = async (
  processes: Processes,
  namespace: string,
  { pids, host }: UdpWay,
): Promise<UdpEcho> => {
  const settings = { role: 'sender', host, port: echoPort, uid };
  const sender = await processes.role('udp-role.ts', settings, { namespace });
  // Compiled code, an open flow.
  await sender.ask({ seconds: 1, window });
  const cpuBefore = cpuSeconds(pids);
  const { count, lost } = await sender.ask<{ count: number; lost: number }>({ seconds, window });
  const cpu = cpuSeconds(pids) - cpuBefore;
  sender.end();
  return {
    echoesPerSecond: count / seconds,
    cpuMicrosPerEcho: (cpu / count) * 1e6,
    lostRatio: lost / Math.max(1, count + lost),
  };
};
