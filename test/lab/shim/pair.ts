import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { switchOffloadsOff } from '../kernel/link-settings.ts';
import { inNamespace } from '../kernel/namespace.ts';
import { connectShim, startShim } from './client.ts';
import { type Impairment, noImpairment, type Shim, type ShimQueue } from './control.ts';

/** Two namespaces and a link whose directions are the queues `link:a>b` and `link:b>a`. */
export type Pair = {
  a: string;
  b: string;
  addressOfB: string;
  queues: ShimQueue[];
  /** Runs a command in a namespace; rejects with what it said where it fails. */
  run(namespace: string, ...command: string[]): Promise<string>;
};

const addressOfA = '10.99.0.1';
const addressOfB = '10.99.0.2';

/** Gone after the test, whether it passes or not. */
export const makePair = (): Pair => {
  const lab = `wl-t${process.pid.toString(36)}${randomBytes(2).toString('hex')}`;
  const [a, b] = [`${lab}-a`, `${lab}-b`];
  onTestFinished(() => {
    for (const namespace of [a, b]) ip('netns', 'del', namespace);
  });
  for (const namespace of [a, b]) ip('netns', 'add', namespace);
  ip('-n', a, 'link', 'add', 'to-b', 'type', 'veth', 'peer', 'name', 'to-a', 'netns', b);
  raise(a, 'to-b', addressOfA);
  raise(b, 'to-a', addressOfB);
  const impairment = noImpairment;
  return {
    a,
    b,
    addressOfB,
    run,
    queues: [
      { key: 'link:a>b', namespace: a, queueNumber: 1, impairment },
      { key: 'link:b>a', namespace: b, queueNumber: 1, impairment },
    ],
  };
};

const ip = (...args: string[]): void => void execFileSync('ip', args);

const raise = (namespace: string, interfaceName: string, address: string): void => {
  inNamespace(namespace, () => {
    writeFileSync('/proc/sys/net/ipv4/icmp_ratelimit', '0');
    switchOffloadsOff(interfaceName);
  });
  ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', interfaceName);
  for (const name of ['lo', interfaceName]) ip('-n', namespace, 'link', 'set', name, 'up');
  const rule = ['-t', 'mangle', '-A', 'POSTROUTING', '-o', interfaceName, '-j', 'NFQUEUE'];
  const queue = ['--queue-num', '1', '--queue-bypass'];
  ip('netns', 'exec', namespace, 'iptables', ...rule, ...queue);
};

const run: Pair['run'] = (namespace, ...command) =>
  new Promise((resolve, reject) => {
    const child = spawn('ip', ['netns', 'exec', namespace, ...command]);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.once('error', reject).once('close', (code) => {
      if (code === 0) resolve(said);
      else reject(new Error(`${command.join(' ')} ended with ${code}:\n${said}`));
    });
  });

export type RunningPair = Pair & { shim: Shim; pid: number; socketPath: string; logFile: string };

/** The pair with its shim, both directions with the impairment given. */
export const startPair = async (impairment: Partial<Impairment> = {}): Promise<RunningPair> => {
  const pair = makePair();
  const folder = await makeTemporaryFolder();
  const socketPath = join(folder, 'shim.sock');
  const logFile = join(folder, 'shim.log');
  const queues = pair.queues.map((queue) => ({
    ...queue,
    impairment: { ...noImpairment, ...impairment },
  }));
  const { pid } = await startShim({ queues, socketPath, logFile });
  const shim = await connectShim(socketPath);
  onTestFinished(() => shim.stop().catch(() => {}));
  return { ...pair, shim, pid, socketPath, logFile };
};

export type Echo = { sequence: number; rttMs: number };

/** The answers that the kernel's `ping` saw, as they came. It prints three digits of each time. */
export const ping = async (
  pair: Pair,
  options: { count: number; intervalMs: number },
): Promise<Echo[]> => {
  const { count, intervalMs } = options;
  const how = ['-n', '-c', `${count}`, '-i', `${intervalMs / 1_000}`, '-W', '3'];
  const said = await pair
    .run(pair.a, 'ping', ...how, pair.addressOfB)
    .catch((error: Error) => error.message); // without any answer its exit code is 1
  return [...said.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms/g)].map(([, sequence, time]) => ({
    sequence: Number(sequence),
    rttMs: Number(time),
  }));
};
