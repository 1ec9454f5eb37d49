import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EdgeConfig, ForwardingPolicy } from '#contract/policy.ts';
import { createEdgeLab, emptyPolicy, entryOf } from '#test/support/edge-lab.ts';
import { raiseSmallNet, type SmallNet } from '#test/support/small-net.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import type { IpChildOrder } from './ip-child.ts';

const childFile = fileURLToPath(new URL('./ip-child.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'whyslow-ip-'));
const port = 8_443;
const server = { four: '11.0.2.2', six: '2600:2::2', denied: '11.0.2.3', bypassed: '11.0.2.4' };

/** A process of ours in a namespace: an order a line, an answer a line. */
type Child = { ask(order: string): Promise<unknown>; process: ChildProcess; end(): Promise<void> };

let net: SmallNet;
let edge: Child;
let device: Child;
let startEdge: () => Promise<Child>;
let startDevice: () => Promise<Child>;
const children: Child[] = [];

const startChild = async (node: string, order: IpChildOrder): Promise<Child> => {
  const file = join(folder, `${node}.json`);
  writeFileSync(file, JSON.stringify(order));
  const child = spawn(
    'ip',
    ['netns', 'exec', net.namespaceOf(node), process.execPath, '--import', 'tsx', childFile, file],
    { stdio: ['pipe', 'pipe', process.env['IP_CHILD_LOG'] ? 'inherit' : 'ignore'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${node} ended`);
    return JSON.parse(value);
  };
  const made = {
    process: child,
    async ask(line: string) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
  children.push(made);
  await next();
  return made;
};

const edgePolicy: EdgeConfig = {
  ...emptyPolicy('e1'),
  access: [{ id: 'no-lab', action: 'block', hosts: [server.denied], ports: [], devices: [] }],
};
const forwarding: ForwardingPolicy = {
  mode: 'tunnel',
  bypass: [server.bypassed],
  whenTunnelDown: 'open',
  pinnedEdge: '',
};

beforeAll(async () => {
  net = await raiseSmallNet({
    name: 'wsip',
    nodes: ['dev', 'edge', 'rtr', 'srv'],
    routers: ['edge', 'rtr'],
    wires: [
      {
        ...{ from: 'dev', to: 'edge' },
        addresses: [
          ['10.1.0.2/24', 'fd01::2/64'],
          ['10.1.0.1/24', 'fd01::1/64'],
        ],
      },
      {
        ...{ from: 'edge', to: 'rtr' },
        addresses: [
          ['11.0.1.1/24', '2600:1::1/64'],
          ['11.0.1.2/24', '2600:1::2/64'],
        ],
      },
      {
        ...{ from: 'rtr', to: 'srv' },
        addresses: [
          ['11.0.2.1/24', '2600:2::1/64'],
          ['11.0.2.2/24', '11.0.2.3/24', '11.0.2.4/24', '2600:2::2/64'],
        ],
      },
    ],
    lines: {
      dev: ['route add default via 10.1.0.1', '-6 route add default via fd01::1'],
      edge: ['route add default via 11.0.1.2', '-6 route add default via 2600:1::2'],
      // The device's own addresses, so that what goes direct is answered too.
      rtr: ['route add 10.1.0.0/24 via 11.0.1.1', '-6 route add fd01::/64 via 2600:1::1'],
      srv: ['route add default via 11.0.2.1', '-6 route add default via 2600:2::1'],
    },
  });
  const lab = await createEdgeLab();
  const certificate = await lab.edgeCertificate('e1');
  const identity = await lab.device();
  await lab.stop();
  startEdge = () =>
    startChild('edge', {
      role: 'edge',
      options: {
        edgeId: 'e1',
        listen: { host: '10.1.0.1', port },
        certificate,
        ipForwarding: { pool4: '100.96.0.0/16', pool6: 'fd77::/64' },
      },
      policy: edgePolicy,
    });
  startDevice = () =>
    startChild('dev', {
      role: 'device',
      identity,
      edge: { ...entryOf('e1', port), host: '10.1.0.1' },
      policy: forwarding,
    });
  edge = await startEdge();
  device = await startDevice();
  await waitUntil(async () => (await status()).state === 'carried', 20_000);
}, 60_000);

afterAll(async () => {
  for (const child of children) await child.end();
  await net?.down();
  rmSync(folder, { recursive: true, force: true });
});

const status = async () => (await device.ask('status')) as { state: string; addresses: string[] };
/** As a user who is not the agent's. */
const asUser = (command: string, ...args: string[]) =>
  net.exec(
    'dev',
    'setpriv',
    ...['--reuid', '65534', '--inh-caps', '+net_raw'],
    ...['--ambient-caps', '+net_raw', command],
    ...args,
  );
const ping = (...args: string[]) =>
  asUser('ping', '-n', '-W', '3', '-i', '0.05', ...args).catch((error) => String(error.stdout));

/** From whom the server got echo requests during some work. */
const sourcesDuring = async (work: () => Promise<unknown>): Promise<string[]> => {
  await net.exec('srv', 'nft', 'flush ruleset');
  await net.exec(
    'srv',
    'nft',
    'add table inet seen; add set inet seen four { type ipv4_addr; flags dynamic; }; add set inet seen six { type ipv6_addr; flags dynamic; }; add chain inet seen in { type filter hook input priority 0; }; add rule inet seen in icmp type echo-request add @four { ip saddr }; add rule inet seen in icmpv6 type echo-request add @six { ip6 saddr }',
  );
  await work();
  const listed = await net.exec('srv', 'nft', 'list', 'table', 'inet', 'seen');
  return [...listed.matchAll(/elements = \{ ([^}]*) \}/g)].flatMap(([, text = '']) =>
    text.split(/,\s+/),
  );
};

describe('what a device sends that is neither TCP nor UDP', () => {
  it('reaches the server from the edge, not from the device, by IPv4 and IPv6', async () => {
    const sources = await sourcesDuring(async () => {
      expect(await ping('-c', '3', server.four)).toContain(' 3 received');
      expect(await ping('-c', '3', server.six)).toContain(' 3 received');
    });
    expect(sources).toEqual(['11.0.1.1', '2600:1::1']);
  });

  it('goes direct to where the policy bypasses the tunnel, and when it is the agent’s own', async () => {
    const sources = await sourcesDuring(async () => {
      expect(await ping('-c', '1', server.bypassed)).toContain(' 1 received');
      expect(await net.exec('dev', 'ping', '-n', '-c', '1', server.six)).toContain(' 1 received');
    });
    expect(sources).toEqual(['10.1.0.2', 'fd01::2']);
  });

  it('is answered by the device itself past the tunnel when it is pinged', async () => {
    expect(await net.exec('srv', 'ping', '-n', '-c', '1', '10.1.0.2')).toContain(' 1 received');
    expect(await net.exec('srv', 'ping', '-n', '-c', '1', 'fd01::2')).toContain(' 1 received');
  });

  it('shows the edge and the routers behind it to traceroute', async () => {
    const four = await asUser('traceroute', '-I', '-n', '-q', '1', '-w', '1', server.four);
    expect(four).toMatch(/ 1 {2}100\.96\.0\.1 .*\n 2 {2}11\.0\.1\.2 .*\n 3 {2}11\.0\.2\.2 /);
    const six = await asUser('traceroute', '-I', '-n', '-q', '1', '-w', '1', server.six);
    expect(six).toMatch(/ 1 {2}fd77::1 .*\n 2 {2}2600:1::2 .*\n 3 {2}2600:2::2 /);
  });

  it('learns the path’s MTU, the tunnel’s own and that of a link behind the edge', async () => {
    const whole = ['-M', 'do', '-c', '2'];
    expect(await ping(...whole, '-s', '1372', server.four)).toContain(' 2 received');
    expect(await ping(...whole, '-s', '1373', server.four)).toMatch(/mtu ?= ?1400/);
    await net.exec('rtr', 'ip', 'link', 'set', 'dev', 'srv', 'mtu', '1300');
    expect(await ping(...whole, '-s', '1300', server.four)).toMatch(/11\.0\.1\.2.*mtu = 1300/);
    expect(await ping(...whole, '-s', '1300', server.six)).toMatch(/2600:1::2.*mtu=1300/);
    await net.exec('rtr', 'ip', 'link', 'set', 'dev', 'srv', 'mtu', '1500');
    expect(await ping('-c', '1', '-s', '5000', server.four)).toContain(' 1 received');
    // The answer to the first tells the server that the tunnel takes less than its link.
    const large = () => ping('-c', '1', '-W', '1', '-s', '5000', server.six);
    await waitUntil(async () => (await large()).includes(' 1 received'), 10_000);
  });

  it('is refused by the edge’s policy and by the guard of special addresses, and is told so', async () => {
    const sources = await sourcesDuring(async () => {
      expect(await ping('-c', '1', server.denied)).toMatch(/100\.96\.0\.1.*(Filtered|prohibited)/i);
      expect(await ping('-c', '1', '100.127.0.1')).toMatch(/100\.96\.0\.1.*(Filtered|prohibited)/i);
      expect(await ping('-c', '1', '2001:db8::1')).toMatch(/fd77::1.*prohibited/i);
    });
    expect(sources).toEqual([]);
  });

  it('goes on from no address but the device’s own', async () => {
    const sources = await sourcesDuring(async () => {
      const answers = await device.ask(`echo ${server.four} 11.0.1.99 100.96.0.2 own`);
      expect(answers).toEqual([expect.stringMatching(/^45.*0b000202/)]);
    });
    expect(sources).toEqual(['11.0.1.1']);
  });
});

it('begins no more than so much a second: the edge’s kernel remembers each, for all devices', async () => {
  await net.exec('edge', 'conntrack', '-F');
  const answers = (await device.ask(`begin ${server.four} 600`)) as string[];
  const remembered = Number(await net.exec('edge', 'conntrack', '-C'));
  // 100 at once and 100 a second; the rest is for a loaded machine and the tunnel's own.
  expect(answers.length).toBeGreaterThanOrEqual(50);
  expect(answers.length).toBeLessThan(400);
  expect(remembered).toBeLessThan(400);
});

describe('what is left behind', () => {
  const rulesOf = (node: string) => net.exec(node, 'nft', 'list', 'tables');
  const linksOf = (node: string) => net.exec(node, 'ip', '-br', 'link');
  const routingRules = async (): Promise<string[]> => {
    const listed = await Promise.all(
      ['-4', '-6'].map((family) => net.exec('dev', 'ip', family, 'rule', 'show')),
    );
    return listed.join('').match(/fwmark 0x7719/g) ?? [];
  };

  it('by an agent that is killed is nothing that changes the way of a packet', async () => {
    expect(await rulesOf('dev')).toContain('whyslow_ip_');
    await device.end();
    await waitUntil(async () => (await rulesOf('dev')) === '', 5_000);
    expect(await linksOf('dev')).not.toContain('whyslow');
    const sources = await sourcesDuring(async () => {
      expect(await ping('-c', '1', server.four)).toContain(' 1 received');
    });
    expect(sources).toEqual(['10.1.0.2']);
  });

  it('by a killed agent is cleared away by the next one', async () => {
    device = await startDevice();
    await waitUntil(async () => (await status()).state === 'carried', 20_000);
    expect(await routingRules()).toHaveLength(2);
  });

  it('by an edge that stops is nothing: devices do not hold it up, and go direct where they may', async () => {
    const goesOn = asUser('ping', '-n', '-i', '0.2', '-c', '22', server.six);
    expect(await edge.ask('stop')).toBe('stopped');
    expect(await rulesOf('edge')).toBe('');
    expect(await linksOf('edge')).not.toContain('whyslow');
    await waitUntil(async () => (await status()).state === 'direct', 10_000);
    const sources = await sourcesDuring(() => ping('-c', '1', server.four));
    expect(sources).toContain('10.1.0.2');
    // Of a ping that began in the tunnel too.
    expect(await goesOn).toContain('icmp_seq=22');
  });

  it('by an edge that is killed is nothing', async () => {
    edge = await startEdge();
    expect(await rulesOf('edge')).toContain('whyslow_edge_');
    await edge.end();
    await waitUntil(async () => (await rulesOf('edge')) === '', 5_000);
    expect(await linksOf('edge')).not.toContain('whyslow');
  });

  it('by an agent that stops is nothing at all', async () => {
    expect(await device.ask('stop')).toBe('stopped');
    expect(await routingRules()).toEqual([]);
    expect(await rulesOf('dev')).toBe('');
    expect(await linksOf('dev')).not.toContain('whyslow');
  });
});

describe('a machine that lacks what a TUN device takes', () => {
  const tunFile = fileURLToPath(new URL('../../../runtime/kernel/tun.ts', import.meta.url));
  const script = `import { openTun } from ${JSON.stringify(tunFile)};
    const parts = { prefix: 'none', mtuBytes: 1400, onPackets: () => {}, onLost: () => {} };
    console.log(await openTun(parts).then((tun) => tun.name, (error) => error.message));
    process.exit(0);`;
  const openAs = (...how: string[]) =>
    net.exec(
      'srv',
      'setpriv',
      ...how,
      ...[process.execPath, '--import', 'tsx', '--input-type=module', '-e', script],
    );

  it('is told so', async () => {
    expect(await openAs('--bounding-set', '-net_admin', '--inh-caps', '-net_admin')).toMatch(
      /cannot make a TUN device: operation not permitted \(EPERM\); it takes CAP_NET_ADMIN/,
    );
  });
});
