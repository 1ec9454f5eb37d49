import { execFileSync } from 'node:child_process';
import type { Row } from '../rows.ts';
import type { Link } from './link.ts';
import type { Materials } from './materials.ts';
import type { Origin } from './origin.ts';
import { type EdgeLink, startEdgeRole } from './ours.ts';
import { inside, startWireguard, until } from './peers/wireguard.ts';
import type { Place } from './place.ts';
import { cpuSeconds, type Processes } from './processes.ts';
import { alone, beside, median } from './rows.ts';
import { measureTransfer, type Transfer } from './transfers.ts';
import type { Way } from './way.ts';

/** Behind the edge: what is addressed to the edge itself does not come out of a tunnel. */
const beyond = {
  edge: '11.77.0.1',
  origin: '11.77.0.2',
  range: '11.77.0.0/24',
  /** The same one, for the peer. */
  peerRange: '11.78.0.0/24',
  peerEdge: '11.78.0.1',
  peerOrigin: '11.78.0.2',
} as const;

/**
 * IP packets through the tunnel: what one TUN device does, and TCP in connect-ip, TUN devices at both
 * ends, beside wireguard-go. TCP has its own way in the product; here it shows what a packet costs.
 */
export const measureIp = async (options: Place): Promise<Row[]> => {
  const { processes, materials, origin, link, rounds, log } = options;
  const echoes: Echo[] = [];
  for (let round = 1; round <= rounds; round++) {
    const echo = await measureTunEcho(processes, link.near);
    echoes.push(echo);
    log(
      `round ${round}: TUN ${Math.round(echo.packetsPerSecond)} packets/s, ${echo.cpuMicrosPerPacket.toFixed(2)} µs each`,
    );
  }
  const ways = [
    await startOursByIp({ processes, materials, origin, link }),
    await startWireguardBeyond({ processes, materials, origin, link }),
  ];
  const results = new Map<string, Transfer[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const way of ways) {
      const measured = await measureTransfer(way, origin, 1);
      results.set(way.name, [...(results.get(way.name) ?? []), measured]);
      log(
        `round ${round}: ${way.name} ${measured.megabytesPerSecond.toFixed(0)} MB/s ${measured.cpuSecondsPerGb.toFixed(2)} s/GB`,
      );
    }
  }
  const middle = (at: 0 | 1, key: keyof Transfer) =>
    median((results.get(ways[at]?.name ?? '') ?? []).map((one) => one[key]));
  return [
    alone(
      'TUN echo, 1,400 bytes',
      'packets/s',
      median(echoes.map((one) => one.packetsPerSecond)),
      '>=300000',
    ),
    beside(
      ...(['TCP in connect-ip, throughput / wireguard-go', 'MB/s'] as const),
      ...([middle(0, 'megabytesPerSecond'), middle(1, 'megabytesPerSecond'), '>=1'] as const),
    ),
    beside(
      ...(['TCP in connect-ip, CPU / wireguard-go', 's/GB'] as const),
      ...([middle(0, 'cpuSecondsPerGb'), middle(1, 'cpuSecondsPerGb'), '<=0.5'] as const),
    ),
  ];
};

type Echo = { packetsPerSecond: number; cpuMicrosPerPacket: number };

const echoSeconds = 2;
const window = 64;

/** A process that sends back what comes by its TUN device, and one with so many packets under way. */
export const measureTunEcho = async (processes: Processes, namespace: string): Promise<Echo> => {
  const echo = await processes.role('ip-role.ts', { role: 'echo' }, { namespace });
  const sender = await processes.role('ip-role.ts', { role: 'sender' }, { namespace });
  const cpuBefore = cpuSeconds([echo.pid]);
  const { count } = await sender.ask<{ count: number }>({ seconds: echoSeconds, window });
  const cpu = cpuSeconds([echo.pid]) - cpuBefore;
  echo.end();
  sender.end();
  return { packetsPerSecond: count / echoSeconds, cpuMicrosPerPacket: (cpu / count) * 1e6 };
};

/** Everything for the origin's network goes into the device's TUN, TCP included. */
export const startOursByIp = async (options: {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  link: Link;
}): Promise<Way> => {
  const { processes, materials, origin, link } = options;
  const namespace = makeBeyond(processes, link);
  processes.run('nginx', ['-c', `${origin.folder}/nginx-${origin.port}.conf`], { namespace });
  const edgeLink: EdgeLink = { ...link, edgeAddress: link.farAddress };
  const { role: edge, entry } = await startEdgeRole(processes, materials.edge, edgeLink, 0, {
    pool4: '100.96.0.0/16',
  });
  const device = await processes.role(
    'ip-role.ts',
    { role: 'device', identity: materials.device, edge: entry, range: beyond.range },
    { namespace: link.near },
  );
  await until(() => inside(link.near, 'ping', '-c', '1', '-W', '1', beyond.origin));
  return {
    name: 'whyslow connect-ip',
    pids: [device.pid, edge.pid],
    farPid: edge.pid,
    target: { host: beyond.origin, port: origin.port },
    namespace: link.near,
  };
};

/** Forwarded and masqueraded at its far end, as ours is: half of what a packet costs is that. */
const startWireguardBeyond = async (options: {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  link: Link;
}): Promise<Way> => {
  const { processes, materials, origin, link } = options;
  const way = await startWireguard(processes, materials.folder, link, origin.port);
  const peer = inside(link.near, 'wg', 'show', 'wgnear', 'peers').trim();
  const allowed = `10.78.0.0/24,${beyond.peerRange}`;
  inside(link.near, 'wg', 'set', 'wgnear', 'peer', peer, 'allowed-ips', allowed);
  inside(link.near, 'ip', 'route', 'add', beyond.peerRange, 'dev', 'wgnear');
  inside(
    link.far,
    'nft',
    'add table ip bench; add chain ip bench leave { type nat hook postrouting priority srcnat; }; add rule ip bench leave ip saddr 10.78.0.0/24 oifname outer masquerade',
  );
  return { ...way, target: { host: beyond.peerOrigin, port: origin.port } };
};

const makeBeyond = (processes: Processes, { far }: Link): string => {
  const namespace = `${far}-beyond`;
  const ip = (...args: string[]) => void execFileSync('ip', args, { stdio: 'pipe' });
  ip('netns', 'add', namespace);
  processes.atEnd(() => ip('netns', 'del', namespace));
  const peer = ['peer', 'name', 'inner', 'netns', namespace];
  ip('-n', far, 'link', 'add', 'outer', 'type', 'veth', ...peer);
  for (const [of, name, ...addresses] of [
    [far, 'outer', beyond.edge, beyond.peerEdge],
    [namespace, 'inner', beyond.origin, beyond.peerOrigin],
  ] as const) {
    for (const address of addresses) ip('-n', of, 'address', 'add', `${address}/24`, 'dev', name);
    ip('-n', of, 'link', 'set', name, 'up');
  }
  inside(far, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  return namespace;
};
