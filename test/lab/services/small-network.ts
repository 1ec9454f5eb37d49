import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '#test/support/wait-until.ts';
import type { LabNode, NodeRole, Topology } from '../topology/topology.ts';
import { authorityFile } from './authority.ts';
import { connectServices } from './client.ts';
import type { Services } from './control.ts';
import { startServices } from './start.ts';

const node = (name: string, role: NodeRole, host: number, names: string[] = []): LabNode => ({
  name,
  role,
  what: name,
  asn: 0,
  address4: `11.9.0.${host}`,
  address6: `3ffe:9::${host}`,
  names,
});

export const topology: Topology = {
  name: 'small',
  nodes: [
    node('d1', 'device', 1),
    node('n1', 'name-server', 2),
    node('s1', 'server', 3, ['crm.saas.test']),
    node('tp', 'server', 4, ['cdn.third.test']),
    node('g1', 'gateway', 5),
    node('col', 'collector', 6, ['collector.lab.test']),
  ],
  links: [],
};

export type SmallNetwork = {
  folder: string;
  servicesPid: number;
  services: Services;
  /** Once more, after they have ended. */
  startServices(): Promise<{ pid: number }>;
  authorityFile: string;
  namespaceOf(node: string): string;
  /** Runs a command at a node; a failing one answers with its code. */
  run(node: string, ...command: string[]): Promise<Ran>;
  stop(): Promise<void>;
};

type Ran = { stdout: string; stderr: string; code: number };

/** Every kind of service on one Ethernet, whose switch is the device: services without a network. */
export const startSmallNetwork = async (): Promise<SmallNetwork> => {
  const lab = `t${process.pid.toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const namespaceOf = (name: string) => `wl-${lab}-${name}`;
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-services-'));
  const remove = () => {
    for (const { name } of topology.nodes) removeNamespace(namespaceOf(name));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    wire(namespaceOf);
    const socketPath = join(folder, 'services.sock');
    const logFile = join(folder, 'services.log');
    const start = () => startServices({ topology, folder, namespaceOf, socketPath, logFile });
    const { pid } = await start();
    const services = await connectServices(socketPath);
    return {
      folder,
      servicesPid: pid,
      services,
      startServices: start,
      authorityFile: authorityFile(folder),
      namespaceOf,
      run: (at, ...command) => execute('ip', ['netns', 'exec', namespaceOf(at), ...command]),
      stop: async () => {
        await services.stop().catch(() => {});
        await waitUntil(() => !isRunning(pid));
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
};

export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const wire = (namespaceOf: (node: string) => string): void => {
  const hub = namespaceOf('d1');
  ip(topology.nodes.map(({ name }) => `netns add ${namespaceOf(name)}`));
  ip(['link add name br0 type bridge mcast_snooping 0'], hub);
  for (const { name, address4, address6 } of topology.nodes) {
    const outer = `to-${name}`;
    const peer = name === 'd1' ? 'br0' : 'eth0';
    if (name !== 'd1') {
      const own = namespaceOf(name);
      ip([`link add name ${outer} type veth peer name eth0 netns ${own}`], hub);
      ip([`link set dev ${outer} addrgenmode none`, `link set dev ${outer} master br0 up`], hub);
    }
    ip(
      [
        'link set dev lo up',
        // A link-local address that comes a second later is a changed network to Chromium.
        `link set dev ${peer} addrgenmode none`,
        `link set dev ${peer} up`,
        `addr add ${address4}/24 dev ${peer}`,
        `addr add ${address6}/64 dev ${peer} nodad`,
      ],
      namespaceOf(name),
    );
  }
  mkdirSync(`/etc/netns/${hub}`, { recursive: true });
  writeFileSync(`/etc/netns/${hub}/resolv.conf`, 'nameserver 11.9.0.2\n');
};

const ip = (lines: readonly string[], namespace?: string): void => {
  const inside = namespace === undefined ? [] : ['-n', namespace];
  execFileSync('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` });
};

const removeNamespace = (name: string): void => {
  rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  try {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  } catch {
    // It was never made.
  }
};

const execute = (command: string, args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(command, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({
        stdout,
        stderr,
        code: typeof error?.code === 'number' ? error.code : error ? 1 : 0,
      });
    });
  });

/** Seconds of curl's timings as the phases they are, ms; `code` is curl's own, 0 for success. */
export const fetchWithCurl = async (network: SmallNetwork, path: string, ...args: string[]) => {
  const { stdout, code } = await network.run(
    'd1',
    ...['curl', '-s', '-o', '/dev/null', '-w', '%{json}', '--max-time', '20'],
    ...['--cacert', network.authorityFile, ...args, `https://crm.saas.test${path}`],
  );
  const said = JSON.parse(stdout) as Record<string, number | string>;
  const at = (name: string): number => Number(said[`time_${name}`]) * 1000;
  return {
    code,
    status: Number(said['http_code']),
    version: String(said['http_version']),
    bytes: Number(said['size_download']),
    dnsMs: at('namelookup'),
    connectMs: at('connect') - at('namelookup'),
    tlsMs: at('appconnect') - at('connect'),
    waitMs: at('starttransfer') - at('pretransfer'),
    receiveMs: at('total') - at('starttransfer'),
  };
};
