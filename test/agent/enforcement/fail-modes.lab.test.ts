import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentProgramConfig } from '#agent/config.ts';
import { leaveNewToken } from '#agent/new-token.ts';
import { readAnyStatus } from '#agent/status.ts';
import { describeAgentStatus } from '#agent/status-text.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { agentConfig } from '#test/support/agent-config.ts';
import { raiseSmallNet, type SmallNet } from '#test/support/small-net.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** One device `d` and everything else, `w`, as processes; the agent and its user are not root. */
const agentUid = 61_001;
const userUid = 61_002;
const proxyPort = 9_339;
const sourceOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

let net: SmallNet;
let folder: string;
let world: { ask: (...order: string[]) => Promise<unknown>; process: ChildProcess };
let agent: ChildProcess | undefined;
let config: AgentProgramConfig;
let collectorUrl: string;

const startIn = (node: string, script: string, args: string[], privileges: string[] = []) =>
  spawn(
    'ip',
    [
      ...['netns', 'exec', net.namespaceOf(node), ...privileges],
      ...[process.execPath, '--import', 'tsx', sourceOf(script), ...args],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );

const startWorld = () => {
  const child = startIn('w', './world-until-killed.ts', [
    net.namespaceOf('w'),
    join(folder, 'edge'),
  ]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    ask: async (...order: string[]): Promise<unknown> => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { value } = await lines.next();
      return JSON.parse(String(value)) as unknown;
    },
  };
};

const startAgent = () => {
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, JSON.stringify(config));
  agent = startIn(
    'd',
    '../../support/run-agent.ts',
    ['--config', file, '--with-parent'],
    ['setpriv', '--reuid', `${agentUid}`, '--regid', `${agentUid}`, '--clear-groups'].concat([
      '--inh-caps=-all,+net_admin',
      '--ambient-caps=-all,+net_admin',
      '--bounding-set=-all,+net_admin',
    ]),
  );
};

const killAgent = async (): Promise<void> => {
  if (agent === undefined || agent.exitCode !== null) return;
  agent.kill('SIGKILL');
  await once(agent, 'exit');
};

/** What curl of a user says: its own code, the answer, and how long it took. */
const curl = (url: string, ...args: string[]) =>
  new Promise<{ code: number; text: string; ms: number }>((resolve) => {
    const user = ['setpriv', '--reuid', `${userUid}`, '--regid', `${userUid}`, '--clear-groups'];
    const asked = ['curl', '-sS', '-i', '-m', '5', '-w', '\n%{time_total}', ...args, url];
    execFile('ip', ['netns', 'exec', net.namespaceOf('d'), ...user, ...asked], (error, stdout) => {
      const code = typeof error?.code === 'number' ? error.code : 0;
      resolve({ code, text: stdout, ms: 1_000 * Number(stdout.split('\n').at(-1)) });
    });
  });
const app = 'http://11.30.0.4/';
const app6 = 'http://[3ffe:30::4]/';
const provider = 'http://login.idp.test/';
const throughProxy = () => curl('http://app.test/', '-p', '-x', `http://127.0.0.1:${proxyPort}`);
/** curl's "could not connect", at once: refused by the kernel, not given up on. */
const expectRefused = async (url: string) => {
  const { code, ms } = await curl(url);
  expect({ url, code }).toEqual({ url, code: 7 });
  expect(ms).toBeLessThan(1_000);
};
const expectReached = async (url: string, text: string | RegExp) =>
  expect(await curl(url)).toMatchObject({ code: 0, text: expect.stringMatching(text) });

const status = () => readAnyStatus(config.stateFolder);
const reaches = (state: string) =>
  waitUntil(async () => {
    const now = await status().catch(() => undefined);
    return now?.enforcement.state === state;
  }, 15_000).catch(async (error: Error) => {
    throw new Error(`${state} is not reached: ${JSON.stringify(await status())}`, { cause: error });
  });
const policy = async (forwarding: Partial<ForwardingPolicy>) => {
  // Enrolled a moment before it can say so.
  await waitUntil(async () => (await status()).device.id !== null);
  const { device } = await status();
  await world.ask('policy', device.id ?? '', JSON.stringify(forwarding));
};
const strict = { enforcement: { strict: true, captivePortalGraceSeconds: 60 } };

beforeAll(async () => {
  net = await raiseSmallNet({
    name: 'wsfm',
    nodes: ['d', 'w'],
    wires: [
      {
        from: 'd',
        to: 'w',
        addresses: [
          ['11.30.0.9/24', '3ffe:30::9/64'],
          ['11.30.0.1/24', '11.30.0.2/24', '11.30.0.3/24', '11.30.0.4/24', '3ffe:30::4/64'],
        ],
      },
    ],
    lines: { d: ['route add default via 11.30.0.1'] },
  });
  mkdirSync('/etc/netns/wsfm-d', { recursive: true });
  writeFileSync('/etc/netns/wsfm-d/resolv.conf', 'nameserver 11.30.0.1\n');
  folder = mkdtempSync(join(tmpdir(), 'whyslow-fm-'));
  chownSync(folder, agentUid, agentUid);
  world = startWorld();
  collectorUrl = String(await world.ask('url'));
  const { enrollmentToken: _, ...given } = agentConfig({
    stateFolder: join(folder, 'agent'),
    collectorUrl,
    enrollmentToken: '',
  });
  mkdirSync(given.stateFolder, { mode: 0o700 });
  chownSync(given.stateFolder, agentUid, agentUid);
  config = {
    ...given,
    proxyPort,
    strictEnforcement: { identityProviders: ['login.idp.test'] },
  };
});
afterAll(async () => {
  await killAgent();
  world?.process.kill('SIGKILL');
  await net?.down();
  rmSync('/etc/netns/wsfm-d', { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

it('before enrolment a strict device reaches its identity provider and name server, and nothing else', async () => {
  await expectReached(app, 'the application');
  await expectReached(app6, 'the application');
  startAgent();
  await reaches('blocked-not-enrolled');
  await expectRefused(app);
  await expectRefused(app6);
  await expectReached(provider, 'log in');
  const text = describeAgentStatus(await status());
  expect(text).toMatch(/^state {7}blocked: not enrolled, since/);
});

it('enrolled it reaches the application through the tunnel, and past it still nothing', async () => {
  await leaveNewToken(config.stateFolder, String(await world.ask('token')));
  await reaches('blocked-no-policy');
  await policy(strict);
  await reaches('protected');
  expect(await throughProxy()).toMatchObject({ code: 0, text: /the application/ });
  await expectRefused(app);
  // The agent enrolled there; where that is the network says, so no other program gets there.
  await expectRefused(collectorUrl);
  // What lasts but a moment at the start is not told.
  await told(/^protected \(.+\)$/);
});

it('without an edge it is refused by the proxy as by the kernel', async () => {
  await world.ask('edge-away');
  await reaches('blocked-tunnel-down');
  const { text } = await throughProxy();
  expect(text).toMatch(/503 .*\r\n(.*\r\n)*proxy-status: whyslow-agent;.*tunnel down/i);
  await expectRefused(app);
});

it('a killed agent leaves it shut', async () => {
  await killAgent();
  await expectRefused(app);
  await expectReached(provider, 'log in');
});

it('a captive portal can be reached as long as there is time, once', async () => {
  await setPortal(true);
  const login = 'http://11.30.0.1:8081/login';
  await expectRefused(login);
  startAgent();
  await reaches('captive-portal');
  await waitUntil(async () => (await curl(login)).code === 0);
  await expectReached(login, /Log in to the network/);
  await expectRefused(app);
  // As the next agent would find it when the minute is over.
  await killAgent();
  const file = join(config.stateFolder, 'graces.json');
  const book = JSON.parse(readFileSync(file, 'utf8')) as Record<'graces', Record<string, object>>;
  expect(Object.keys(book.graces)).toEqual(['w 11.30.0.1 11.30.0.1']);
  const over = { beganAt: Date.now() - 60_000, lengthMs: 60_000 };
  writeFileSync(file, JSON.stringify({ graces: { 'w 11.30.0.1 11.30.0.1': over } }));
  startAgent();
  await reaches('captive-portal-over');
  await waitUntil(async () => (await curl(login)).code === 7);
  await expectRefused(login);
  await setPortal(false);
});

it('policy alone opens it, and open it goes direct and says so', async () => {
  await policy({ whenTunnelDown: 'open' });
  await reaches('open-tunnel-down');
  await waitUntil(async () => (await curl(app)).code === 0);
  const { text } = await throughProxy();
  expect(text).toMatch(/proxy-status: whyslow-agent; details="direct, tunnel-down"/i);
  expect(text).toContain('the application');
  await killAgent();
  await expectReached(app, 'the application');
  // The edge may not dial the machine it is on, and that has the name server here.
  config.capture = { dns: false, udp: 'leave' };
  startAgent();
});

it('what is captured passes through the tunnel', async () => {
  await reaches('open-tunnel-down');
  await policy(strict);
  await world.ask('edge-back');
  await reaches('protected');
  await waitUntil(async () => (await curl('http://app.test/')).code === 0);
});

it('a device that was removed is shut, and can be enrolled anew', async () => {
  await world.ask('remove');
  await reaches('blocked-removed');
  expect((await curl(app)).code).not.toBe(0);
  await expectReached(provider, 'log in');
  const before = await status();
  await world.ask('heal');
  await leaveNewToken(config.stateFolder, String(await world.ask('token')));
  await waitUntil(async () => ![null, before.device.id].includes((await status()).device.id));
  expect((await curl(app)).code).not.toBe(0);
  await policy({});
  await reaches('protected');
  await waitUntil(async () => (await curl('http://app.test/')).code === 0);
  // Each change was an event with its reason, also that of an agent that was killed.
  await told(
    /^blocked: tunnel down \(.+\)$/,
    /^blocked: captive portal, time to log in is over \(.+\)$/,
    /^open: tunnel down \(.+\)$/,
  );
});

/** Reasons of the events that came to the collector. */
const told = async (...expected: readonly RegExp[]): Promise<void> => {
  await waitUntil(async () => {
    const events = (await world.ask('events')) as { name: string; reason: string }[];
    const reasons = events.filter(({ name }) => name === 'enforcement-changed');
    return expected.every((one) => reasons.some(({ reason }) => one.test(reason)));
  });
};

/** The gateway answers port 80 in everyone's name and lets nothing else through but names. */
const setPortal = async (isOn: boolean): Promise<void> => {
  const table = 'inet whyslow_portal';
  const rules = isOn
    ? `table ${table} {
  chain hijack {
    type nat hook prerouting priority dstnat;
    tcp dport 80 redirect to :8081
  }
  chain cut {
    type filter hook input priority filter;
    iifname "d" tcp dport 8081 accept
    iifname "d" udp dport 53 accept
    iifname "d" meta l4proto { tcp, udp } drop
  }
}`
    : `delete table ${table}`;
  const file = join(folder, 'portal.nft');
  writeFileSync(file, `${rules}\n`);
  await net.exec('w', 'nft', '-f', file);
};
