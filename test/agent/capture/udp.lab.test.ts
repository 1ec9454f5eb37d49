import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { raiseSmallNet, type SmallNet } from '#test/support/small-net.ts';
import type { ClientFinding } from './udp-child.ts';

const childFile = fileURLToPath(new URL('./udp-child.ts', import.meta.url));
const far = ['11.3.0.2', '2600:3::2'];

let net: SmallNet;
const children: ChildProcess[] = [];

const start = (node: string, as: readonly string[], ...args: string[]) => {
  const command = [...as, process.execPath, '--import', 'tsx', childFile, ...args];
  const child = spawn('ip', ['netns', 'exec', net.namespaceOf(node), ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    line: async () => String((await lines.next()).value),
    say: (text: string) => void child.stdin.write(`${text}\n`),
  };
};
/** A user of its own, with these capabilities and no others. */
const asAgent = (capabilities: string) => [
  ...['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--no-new-privs'],
  ...['--inh-caps', capabilities, '--ambient-caps', capabilities, '--bounding-set', capabilities],
];
const asUser = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];

beforeAll(async () => {
  net = await raiseSmallNet({
    name: 'wsudp',
    nodes: ['dev', 'far'],
    wires: [
      {
        ...{ from: 'dev', to: 'far' },
        addresses: [
          ['11.3.0.1/24', '2600:3::1/64'],
          ['11.3.0.2/24', '2600:3::2/64'],
        ],
      },
    ],
  });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await net.down();
});

it('datagrams of programs that know no proxy are carried by the agent, and answered from their destination, by IPv4 and IPv6', async () => {
  const [echo, agent] = [
    start('far', [], 'echo'),
    start('dev', asAgent('-all,+net_admin,+net_bind_service'), 'agent'),
  ];
  expect(await Promise.all([echo.line(), agent.line()])).toEqual(['ready', 'ready']);
  const client = start('dev', asUser, 'client', ...far);
  const findings = JSON.parse(await client.line()) as ClientFinding[];
  expect(findings.map(({ address }) => address)).toEqual(far);
  for (const { localPort, answers } of findings) {
    const [first = '', large, ...burst] = answers;
    const [seenPort, text] = first.split(' ');
    expect(text).toBe('one');
    // The far end talks to the agent's socket, not to the program's.
    expect(Number(seenPort)).not.toBe(localPort);
    expect(large).toBe(`${seenPort} 30000 bytes`);
    // One flow all along, nothing twice, and no loss where nothing is in the way.
    expect(burst.sort()).toEqual(Array.from({ length: 100 }, (_, i) => `${seenPort} n${i}`).sort());
  }
  agent.say('flows');
  expect(await agent.line()).toBe('2');

  const weak = start('dev', asAgent('-all,+net_admin'), 'agent');
  expect(await weak.line()).toMatch(/CAP_NET_BIND_SERVICE/);

  // Its rules go with the agent: the same program then sends by itself.
  agent.child.stdin.end();
  await once(agent.child, 'exit');
  const after = start('dev', asUser, 'client', far[0] ?? '');
  const [own] = JSON.parse(await after.line()) as ClientFinding[];
  expect(own?.answers[0]).toBe(`${own?.localPort} one`);
});
