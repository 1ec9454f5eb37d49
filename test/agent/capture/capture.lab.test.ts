import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CaptureStatus } from '#agent/capture/capture.ts';
import type { CaptureConfig } from '#agent/capture/config.ts';
import type { DecisionCounts } from '#agent/forward.ts';
import type { EdgeConfig, ForwardingPolicy } from '#contract/policy.ts';
import type { FlowRecord } from '#contract/telemetry.ts';
import { createEdgeLab, emptyPolicy, entryOf, sha256 } from '#test/support/edge-lab.ts';
import { raiseSmallNet, type SmallNet } from '#test/support/small-net.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import type { Asked, CaptureChildOrder } from './capture-child.ts';

const run = promisify(execFile);
const childFile = fileURLToPath(new URL('./capture-child.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'whyslow-capture-'));
const etc = '/etc/netns/wscap-dev';
const edgePort = 8_443;
const server = { four: '11.0.2.2', six: '2600:2::2' };
/** What a server sees of whoever came through the tunnel, and of whoever did not. */
const edgeSide = ['11.0.2.1', '2600:2::1'];
const deviceSide = ['10.1.0.2', 'fd01::2'];
const agentUid = '65534';
const userUid = '12345';

type Child = { ask<T = unknown>(order: string): Promise<T>; process: ChildProcess };
type DeviceStatus = {
  capture: CaptureStatus;
  decisions: DecisionCounts;
  tunnel: string;
  socks: { port: number };
};

let net: SmallNet;
let edge: Child;
let origin: Child;
let device: Child;
const children: ChildProcess[] = [];
let startDevice: (capture: CaptureConfig) => Promise<Child>;

const startChild = async (
  node: string,
  order: CaptureChildOrder,
  as: readonly string[] = [],
): Promise<Child> => {
  const file = join(folder, `${node}.json`);
  writeFileSync(file, JSON.stringify(order), { mode: 0o644 });
  const command = [...as, process.execPath, '--import', 'tsx', childFile, file];
  const child = spawn('ip', ['netns', 'exec', net.namespaceOf(node), ...command], {
    stdio: ['pipe', 'pipe', process.env['CAPTURE_CHILD_LOG'] ? 'inherit' : 'ignore'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${node} ended`);
    return JSON.parse(value);
  };
  const made: Child = {
    process: child,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
  };
  await next();
  return made;
};

/** A user of their own with these capabilities and no others, as systemd starts it. */
const asAgent = (capabilities: string): string[] => [
  ...['setpriv', '--reuid', agentUid, '--regid', agentUid, '--clear-groups', '--no-new-privs'],
  ...['--inh-caps', capabilities, '--ambient-caps', capabilities, '--bounding-set', capabilities],
];
const asUser = (uid = userUid): string[] => [
  ...['setpriv', '--reuid', uid, '--regid', uid, '--clear-groups'],
];

/** A program on the device. */
const exec = (command: string, args: readonly string[], uid = userUid): Promise<string> =>
  run('ip', ['netns', 'exec', net.namespaceOf('dev'), ...asUser(uid), command, ...args], {
    maxBuffer: 64 << 20,
  }).then(
    ({ stdout }) => stdout,
    (error: { code: number; stdout: string }) => `failed ${error.code} ${error.stdout}`,
  );
const curl = (url: string, ...args: string[]) =>
  exec('curl', ['-sS', '-m', '10', '--cacert', join(folder, 'ca.pem'), ...args, url]);
const whoOf = (text: string): string =>
  text.startsWith('{') ? (JSON.parse(text) as { from: string }).from : text;
const who = async (url: string, ...args: string[]) => whoOf(await curl(url, ...args));

const flows = () => edge.ask<FlowRecord[]>('flows');
const flowNames = async () => (await flows()).map(({ host, port }) => `${host} ${port}`);
const status = () => device.ask<DeviceStatus>('status');
const isUp = () =>
  waitUntil(async () => {
    const { tunnel, capture } = await status();
    return tunnel === 'up' && capture.isOn;
  }, 30_000);
const setPolicy = (changes: Partial<ForwardingPolicy>) =>
  device.ask<DeviceStatus>(`policy ${JSON.stringify(changes)}`);
const rules = () => net.exec('dev', 'nft', 'list', 'ruleset');

const forwarding: ForwardingPolicy = {
  mode: 'tunnel',
  bypass: ['direct.cap.test'],
  whenTunnelDown: 'open',
  pinnedEdge: '',
  privateHosts: ['.corp.test'],
};
const edgePolicy: EdgeConfig = {
  ...emptyPolicy('e1'),
  privacy: { flows: 'full', users: false },
  access: [{ id: 'no', action: 'block', hosts: ['blocked.cap.test'], ports: [], devices: [] }],
  privateApplications: [
    {
      appId: 'wiki',
      hosts: ['wiki.corp.test'],
      ports: [],
      addresses: { 'wiki.corp.test': server.four },
    },
  ],
};
const all = [server.four, server.six];
const names = {
  'app.cap.test': all,
  'direct.cap.test': all,
  'blocked.cap.test': all,
};

beforeAll(async () => {
  net = await raiseSmallNet({
    name: 'wscap',
    nodes: ['dev', 'edge', 'srv'],
    routers: ['edge'],
    wires: [
      {
        ...{ from: 'dev', to: 'edge' },
        addresses: [
          ['10.1.0.2/24', 'fd01::2/64'],
          ['10.1.0.1/24', 'fd01::1/64'],
        ],
      },
      {
        ...{ from: 'edge', to: 'srv' },
        addresses: [
          ['11.0.2.1/24', '2600:2::1/64'],
          ['11.0.2.2/24', '2600:2::2/64'],
        ],
      },
    ],
    lines: {
      dev: ['route add default via 10.1.0.1', '-6 route add default via fd01::1'],
      srv: ['route add default via 11.0.2.1', '-6 route add default via 2600:2::1'],
    },
  });
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'resolv.conf'), `nameserver 10.1.0.1\nnameserver ${server.four}\n`);
  chmodSync(folder, 0o755);
  const lab = await createEdgeLab();
  const certificate = await lab.authority.server(...Object.keys(names), 'wiki.corp.test');
  writeFileSync(join(folder, 'ca.pem'), lab.authority.certificatePem);
  const identity = await lab.device();
  startDevice = (capture) =>
    startChild(
      'dev',
      {
        role: 'device',
        identity,
        edge: { ...entryOf('e1', edgePort), host: '10.1.0.1' },
        policy: forwarding,
        capture,
      },
      asAgent('-all,+net_admin,+net_bind_service,+sys_ptrace,+dac_read_search'),
    );
  [edge, origin, device] = await Promise.all([
    startChild('edge', {
      role: 'edge',
      options: {
        edgeId: 'e1',
        listen: { host: '10.1.0.1', port: edgePort },
        certificate: await lab.edgeCertificate('e1'),
        dnsServers: [server.four],
      },
      policy: edgePolicy,
      dns: { listen: '10.1.0.1', names },
    }),
    startChild('srv', {
      role: 'server',
      key: certificate.privateKeyPem,
      certificate: certificate.certificatePem,
      dns: { listen: server.four, names },
    }),
    startDevice({}),
  ]);
  await lab.stop();
  await isUp();
});
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await net?.down();
  rmSync(etc, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

it('programs that know no proxy go through the tunnel by IPv4 and IPv6, by their names', async () => {
  expect(edgeSide).toContain(await who('https://app.cap.test/', '-4'));
  expect(edgeSide).toContain(await who('https://app.cap.test/', '-6'));
  expect(edgeSide).toContain(await who(`http://[${server.six}]/`));
  expect(edgeSide).toContain(await who(`http://${server.four}/`));
  // A record is made when its flow has ended, here and there.
  await waitUntil(async () => (await flowNames()).length >= 4, 5_000);
  const hosts = await flowNames();
  expect(hosts.filter((each) => each === 'app.cap.test 443')).toHaveLength(2);
  expect(hosts).toContain(`${server.six} 80`);
  const { capture, decisions } = await status();
  expect(capture).toMatchObject({ isOn: true, problem: null });
  expect(decisions.tunnel).toBeGreaterThanOrEqual(4);
  // The edge decides by the name, which only the ClientHello and the DNS answer have told.
  expect(await who('https://blocked.cap.test/')).toMatch(/^failed (35|56)/);
});

it('what the policy sends direct, what is local and what the agent itself opens is not carried', async () => {
  expect(deviceSide).toContain(await who('https://direct.cap.test/'));
  expect(whoOf(await exec('curl', ['-sS', '-m', '5', `http://${server.four}/`], agentUid))).toBe(
    '10.1.0.2',
  );
  // Nobody listens there: the refusal comes from the machine itself, at once.
  expect(await curl('http://10.1.0.1:81/')).toMatch(/^failed 7/);
});

it('a server that speaks first is heard without delay to speak of', async () => {
  const script = `exec 3<>/dev/tcp/app.cap.test/2222; read -r banner <&3; echo "$banner"; echo hi >&3; cat <&3`;
  const said = await exec('bash', ['-c', script]);
  expect(said).toMatch(/SSH-2\.0-lab (::ffff:11\.0\.2\.1|2600:2::1)/);
  expect(said).toContain('you said hi');
  // It says no name of its own: the DNS answer did.
  await waitUntil(async () => (await flowNames()).includes('app.cap.test 2222'), 5_000);
});

it('an executable that is to go direct does, captured or by the proxy, and others do not', async () => {
  const backup = join(folder, 'backup-tool');
  copyFileSync('/usr/bin/curl', backup);
  chmodSync(backup, 0o755);
  const { socks } = await setPolicy({ bypassProcesses: [backup] });
  const url = `http://${server.four}/`;
  const bySocks = ['-x', `socks5h://127.0.0.1:${socks.port}`, url];
  expect(whoOf(await exec(backup, ['-sS', '-m', '10', url]))).toBe('10.1.0.2');
  expect(whoOf(await exec(backup, ['-sS', '-m', '10', ...bySocks]))).toBe('10.1.0.2');
  expect(edgeSide).toContain(await who(url));
  await setPolicy({});
});

it('names are resolved where they are carried to, and private ones by the edge', async () => {
  expect(await exec('dig', ['+short', 'wiki.corp.test'])).toMatch(/^198\.1[89]\./);
  expect(await exec('dig', ['+short', 'AAAA', 'wiki.corp.test'])).toBe('');
  expect(edgeSide).toContain(await who('https://wiki.corp.test/'));
  await waitUntil(async () => (await flowNames()).includes('wiki.corp.test 443'), 5_000);
  const byServer = (at: string, ...more: string[]) =>
    exec('dig', ['+short', '+tries=1', `@${at}`, 'app.cap.test', ...more]);
  expect(await byServer(server.four)).toBe(`${server.four}\n`);
  expect(await byServer('10.1.0.1', '+tcp')).toBe(`${server.four}\n`);
  const outside = await origin.ask<Asked[]>('asked');
  const local = await edge.ask<Asked[]>('asked');
  // The public server hears the edge alone, over TCP for the device; the local one hears the device.
  expect(new Set(outside.map(({ from }) => from))).toEqual(new Set(['11.0.2.1']));
  expect(
    outside.some(({ transport, name }) => transport === 'tcp' && name === 'app.cap.test'),
  ).toBe(true);
  expect(new Set(local.map(({ from }) => from))).toEqual(new Set(['10.1.0.2']));
  expect([...outside, ...local].map(({ name }) => name)).not.toContain('wiki.corp.test');
});

it('datagrams go through the tunnel as well', async () => {
  const script = `exec 3<>/dev/udp/app.cap.test/4433; echo hi >&3; timeout 3 head -n 1 <&3`;
  expect(edgeSide).toContain((await exec('bash', ['-c', script])).trim());
});

it('a flow that says no name does not leave the tunnel by a bypassed name that was led to its address', async () => {
  // As by a network's resolver that lies: the last name asked for is bypassed, the other one is not.
  const datagram = `exec 3<>/dev/udp/direct.cap.test/4433; echo hi >&3; timeout 3 head -n 1 <&3`;
  expect(edgeSide).toContain((await exec('bash', ['-c', datagram])).trim());
  const banner = `exec 3<>/dev/tcp/direct.cap.test/2222; read -r banner <&3; echo "$banner"`;
  expect(await exec('bash', ['-c', banner])).toMatch(/SSH-2\.0-lab (::ffff:11\.0\.2\.1|2600:2::1)/);
});

it('50 MB come through unchanged', async () => {
  const bytes = 50_000_000;
  const text = await exec('bash', [
    '-c',
    `curl -sS -m 60 http://${server.four}/bytes/${bytes} | sha256sum`,
  ]);
  expect(text.split(' ')[0]).toBe(sha256(Buffer.alloc(bytes, 'whyslow ')));
});

it('rules are withdrawn at once where the network does not ask for them, and come back', async () => {
  await setPolicy({ onNetwork: { 'off-trusted': 'local-proxy' } });
  await waitUntil(async () => !(await status()).capture.isOn, 5_000);
  expect(await who(`http://${server.four}/`)).toBe('10.1.0.2');
  expect((await status()).capture.reason).toBe('network off-trusted: local-proxy');
  await setPolicy({});
  await waitUntil(async () => (await status()).capture.isOn, 5_000);
  expect(edgeSide).toContain(await who(`http://${server.four}/`));
});

it('a killed agent leaves no rule, and traffic goes direct within a second', async () => {
  expect(await rules()).toContain('redirect to');
  device.process.kill('SIGKILL');
  await once(device.process, 'exit');
  const killedMs = performance.now();
  await waitUntil(
    async () => (await who(`http://${server.four}/`, '-m', '1')) === '10.1.0.2',
    5_000,
  );
  process.stdout.write(`direct ${Math.round(performance.now() - killedMs)} ms after the kill\n`);
  expect(await rules()).toBe('');
});

it('what a killed agent leaves is taken away by the next, and that leaves nothing when it stops', async () => {
  const routing = async () => net.exec('dev', 'ip', 'rule');
  expect(await routing()).toContain('fwmark 0x77');
  device = await startDevice({ udp: 'reject-quic' });
  await isUp();
  expect(await routing()).not.toContain('fwmark 0x77');
  expect(edgeSide).toContain(await who(`http://${server.four}/`));
  // Browsers then take TCP.
  const script = `exec 3<>/dev/udp/${server.four}/443; echo hi >&3; sleep 0.1; echo hi >&3 || echo refused`;
  expect(await exec('bash', ['-c', script])).toContain('refused');
  await device.ask('stop');
  expect(await rules()).toBe('');
  expect(await who(`http://${server.four}/`)).toBe('10.1.0.2');
});
