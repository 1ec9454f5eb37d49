import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startChildScript } from '#test/support/child-script.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { attachLab, type Lab, raiseLab, takeLabDown } from '../lab.ts';
import { readState } from '../state.ts';
import { chain } from '../topology/chain.ts';
import { twoSites } from '../topology/two-sites.ts';
import { testLabName } from './lab-name.ts';
import { buildersOf, helpersOf } from './processes.ts';
import { labsFound } from './remove.ts';
import { ask } from './run.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const victim = fileURLToPath(new URL('./raise-until-killed.ts', import.meta.url));

/** A name whose lab is gone after the test, whatever happened. */
const ownName = (): string => {
  const name = testLabName();
  onTestFinished(() => takeLabDown(name));
  return name;
};

/** Everything on the machine that carries the lab's name. */
const leftOf = async (name: string): Promise<string[]> => {
  const found = ['/var/run/netns', '/etc/netns', '/run/whyslow-lab', '/sys/fs/cgroup/cpu'].flatMap(
    (folder) => {
      if (!existsSync(folder)) return [];
      const pattern = new RegExp(`^(wl-${name}-|${name}$|whyslow-lab-${name}-)`);
      return readdirSync(folder)
        .filter((entry) => pattern.test(entry))
        .map((entry) => `${folder}/${entry}`);
    },
  );
  return [...found, ...[...helpersOf(name), ...buildersOf(name)].map((pid) => `process ${pid}`)];
};

const runCli = (args: string[], options: { env?: NodeJS.ProcessEnv; uid?: number } = {}) =>
  spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    stdio: 'pipe',
    ...options,
  });

const endOf = async (child: ChildProcess): Promise<{ output: string; code: number | null }> => {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { output, code };
};

const namespaceCount = (name: string): number =>
  existsSync('/var/run/netns')
    ? readdirSync('/var/run/netns').filter((entry) => entry.startsWith(`wl-${name}-`)).length
    : 0;

it('leaves nothing when it is taken down, and does not mind when it is not there', async () => {
  const name = ownName();
  await takeLabDown(name);
  const lab = await raiseLab({ topology: twoSites, name });
  expect(await leftOf(name)).toContain(`/run/whyslow-lab/${name}`);
  lab.spawn('a1', 'sleep', ['600'], { stdio: 'ignore' });
  mkdirSync(`/sys/fs/cgroup/cpu/whyslow-lab-${name}-agent-a1`);
  await lab.down();
  expect(await leftOf(name)).toEqual([]);
  expect(labsFound()).not.toContain(name);
});

it('is raised once, however often it is asked for, and by whatever process', async () => {
  const name = ownName();
  const first = await raiseLab({ topology: twoSites, name });
  const state = readState(name);
  const second = await raiseLab({ topology: twoSites, name });
  const third = await attachLab(name);
  expect(readState(name)).toEqual(state);
  for (const lab of [first, second, third]) {
    expect(await lab.exec('a1', 'sh', ['-c', 'echo it is; exit 3'])).toMatchObject({
      ...{ stdout: 'it is\n', code: 3 },
    });
    expect(await lab.shim.get('link:ix>far')).toMatchObject({ delayMs: 16 });
    expect(await lab.services.get('s1')).toMatchObject({ thinkMs: 0 });
    lab.close();
  }
  await expect(raiseLab({ topology: chain(1), name })).rejects.toThrow('take it down first');
  expect(readState(name)).toEqual(state);
});

it('is built anew where its shim has died', async () => {
  const name = ownName();
  (await raiseLab({ topology: twoSites, name, services: false })).close();
  const pid = readState(name)?.shim?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await waitUntil(() => !existsSync(`/proc/${pid}`));
  await expect(attachLab(name)).rejects.toThrow('is not whole');
  const lab = await raiseLab({ topology: twoSites, name, services: false });
  expect(readState(name)?.shim?.pid).not.toBe(pid);
  expect(await lab.shim.get('link:ix>far')).toMatchObject({ delayMs: 16 });
  lab.close();
});

/** Moments in a raise, by what is there. */
const moments: [string, (name: string) => boolean][] = [
  ['before the first namespace', (name) => existsSync(`/run/whyslow-lab/${name}/lock`)],
  ['among the namespaces', (name) => namespaceCount(name) > 3],
  ['while the shim starts', (name) => existsSync(`/run/whyslow-lab/${name}/logs/shim.log`)],
  ['while the services start', (name) => existsSync(`/run/whyslow-lab/${name}/services.json`)],
  ['when the shim runs', (name) => existsSync(`/run/whyslow-lab/${name}/shim.sock`)],
];

it.each(moments)('is gone after a raise that was killed %s', async (_, isThere) => {
  const name = ownName();
  const child = startChildScript(victim, [name]);
  await child.line();
  await waitUntil(() => isThere(name));
  await child.kill();
  await takeLabDown(name);
  expect(await leftOf(name)).toEqual([]);
});

it('comes up after a raise that was killed half-way', async () => {
  const name = ownName();
  const child = startChildScript(victim, [name]);
  await waitUntil(() => namespaceCount(name) > 10);
  await child.kill();
  await expect(attachLab(name)).rejects.toThrow('is not whole');
  const lab = await raiseLab({ topology: twoSites, name, services: false });
  expect(await lab.exec('a1', 'ping', ['-c1', '-W5', '11.0.61.1'])).toMatchObject({ code: 0 });
  lab.close();
});

it('leaves nothing half when the command is interrupted', async () => {
  const name = ownName();
  const child = runCli(['up', '--name', name]);
  const ended = endOf(child);
  await waitUntil(() => namespaceCount(name) > 10);
  child.kill('SIGINT');
  expect(await ended).toEqual({ output: 'lab: ended by SIGINT\n', code: 2 });
  expect(await leftOf(name)).toEqual([]);
});

it('is made by one at a time', async () => {
  const name = ownName();
  const child = startChildScript(victim, [name]);
  await waitUntil(() => namespaceCount(name) > 0);
  await expect(takeLabDown(name)).rejects.toThrow(`the lab "${name}" is in use by process`);
  expect(await child.line()).toBe('starting');
  expect(await child.line()).toBe('up');
  await child.ended();
  (await attachLab(name)).close();
});

it('is a command with sentences', async () => {
  const name = ownName();
  const say = (...args: string[]) => endOf(runCli([...args, '--name', name]));
  expect(await say('status')).toEqual({ output: `lab "${name}" is not up\n`, code: 3 });
  const up = await say('up', '--no-services');
  expect(up).toMatchObject({
    output: expect.stringMatching(/^lab ".*" is up: two-sites, \d+ nodes/),
    code: 0,
  });
  const { output } = await say('status');
  for (const word of ['gwa-ia1', '20/60 Mbit/s', 'faults set: none', 'programs: none run']) {
    expect(output).toContain(word);
  }
  const inside = (...words: string[]) => endOf(runCli(['exec', '--name', name, ...words]));
  const resolver = await inside('a1', 'cat', '/etc/resolv.conf');
  expect(resolver).toEqual({
    output: 'nameserver 11.0.13.1\noptions timeout:2 attempts:2\n',
    code: 0,
  });
  expect(await inside('a1', 'sh', '-c', 'exit 7')).toMatchObject({ code: 7 });
  expect(await inside('moon', 'true')).toMatchObject({
    ...{ output: expect.stringContaining('there is no node "moon"; there are: a1 a2'), code: 2 },
  });
  expect(await say('down')).toEqual({ output: `down: ${name}\n`, code: 0 });
  expect(await leftOf(name)).toEqual([]);
});

it('says in one sentence what is missing', async () => {
  const { output, code } = await endOf(runCli(['up'], { env: { PATH: '/nowhere' } }));
  expect({ output, code }).toMatchObject({
    output: expect.stringMatching(
      /^lab: the lab needs ip, .*: apt-get install iproute2 iptables\n$/,
    ),
    code: 2,
  });
});

it('changes nothing in the machine’s own network', async () => {
  const name = ownName();
  const look = async () =>
    Promise.all(
      [
        'ip -o link',
        'ip -o address',
        'ip route',
        'ip -6 route',
        'iptables-save',
        'sysctl net.ipv4.ip_forward',
      ].map(async (line) => {
        const [command = '', ...args] = line.split(' ');
        return (await ask(command, args)).stdout.replaceAll(/^#.*$|\[\d+:\d+\]/gm, '');
      }),
    );
  const before = await look();
  const monitor = spawn('ip', ['monitor', 'link'], { stdio: 'pipe' });
  let seen = '';
  monitor.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  await sleep(200);
  const lab: Lab = await raiseLab({ topology: twoSites, name, shim: false, services: false });
  expect(await look()).toEqual(before);
  await lab.down();
  monitor.kill();
  expect(await look()).toEqual(before);
  expect(seen).not.toContain('to-');
});
