import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { clearFaults, setFaults } from '#test/lab/faults/apply.ts';
import type { Fault } from '#test/lab/faults/fault.ts';
import type { Lab } from '#test/lab/lab.ts';
import { edgeConfig } from '#test/lab/programs/configs.ts';
import { launchProgram, waitForProgram } from '#test/lab/programs/launch.ts';
import type { ProgramFile } from '#test/lab/programs/program-file.ts';
import { upCheck } from '#test/lab/programs/up-check.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { type LabAgents, startLabAgents } from '../lab-agents.ts';
import { type Asked, curlThrough, describeGap, localProxy, startCurlLoop } from './curl-loop.ts';

const hurried = fileURLToPath(new URL('./hurried-tunnel.ts', import.meta.url));
const devices = ['a2', 'b1'] as const;

let agents: LabAgents;
let lab: Lab;

beforeAll(async () => {
  agents = await startLabAgents(devices);
  lab = agents.lab;
}, 240_000);
afterEach(() => clearFaults(lab));
afterAll(() => agents?.stop());

const tell = (line: string): boolean => process.stdout.write(`${line}\n`);
const tellGap = (what: string, asked: readonly Asked[]) => {
  const gap = describeGap(asked);
  tell(
    `${what}: ${gap.failedCount} of ${gap.count} requests failed, longest gap ${gap.gapMs} ms, slowest ${gap.slowestMs} ms`,
  );
  return gap;
};

/** The answer to every question of who carries the traffic: the edge itself says so. */
const edgeOf = async (device: string): Promise<string> =>
  (await curlThrough(lab, device, 'https://crm.saas.test/health', '-m', '20')).edge;

/** As `startPrograms` starts it, but flows get so long to end when it is told to stop. */
const startEdgeThatDrains = async (name: string, drainMs: number): Promise<ProgramFile> => {
  const program = agents.member(name);
  const config = { ...edgeConfig(lab.folder, program, lab.topology), drainMs };
  const isUp = upCheck(lab, program, agents.programs.api);
  const file = launchProgram(lab, program, config);
  await waitForProgram(file, isUp, 90_000);
  return file;
};

it('both sites take the edge that is nearest to them', async () => {
  for (const device of devices) {
    const { tunnel } = await agents.statusOf(device);
    const rttOf = (edge: string) => tunnel.edges.find(({ id }) => id === edge)?.rttMs ?? Number.NaN;
    tell(`${device}: e1 ${rttOf('e1').toFixed(1)} ms, e2 ${rttOf('e2').toFixed(1)} ms`);
    expect(rttOf('e1')).toBeLessThan(rttOf('e2'));
    expect(await edgeOf(device)).toBe('e1');
  }
});

it('a device changes to an edge that is clearly faster, not before its rest, and back again', async () => {
  const identity = `${agents.stateFolder('agent-a2')}/identity.json`;
  const child = lab.spawn(
    'a2',
    process.execPath,
    ['--import', 'tsx', hurried, identity, 'e1', 'e2'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const changes: { name: string; edgeId: string; reason: string }[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) =>
    changes.push(JSON.parse(line)),
  );
  const chosen = () => changes.filter(({ name }) => name === 'edge-chosen');
  try {
    await waitUntil(() => chosen().at(-1)?.edgeId === 'e1', 60_000);
    await setFaults(lab, ['edge-far-away']);
    await waitUntil(() => chosen().at(-1)?.edgeId === 'e2', 90_000);
    expect(chosen().at(-1)?.reason).toMatch(/faster: [\d.]+ ms against [\d.]+ ms/);
    // The agents chose a moment ago and rest for five minutes.
    expect(await agents.areOn('e1')).toBe(true);
    await clearFaults(lab);
    await waitUntil(() => chosen().at(-1)?.edgeId === 'e1', 90_000);
    tell(
      `hurried: ${chosen()
        .map(({ reason }) => reason)
        .join(' | ')}`,
    );
  } finally {
    child.stdin?.end();
    await once(child, 'close');
  }
}, 240_000);

it('an edge that vanishes without a word is left within the time of four pings', async () => {
  const loops = devices.map((device) => startCurlLoop(lab, device, 400));
  await sleep(2_000);
  const hole: Fault = {
    name: 'e1-vanishes',
    kinds: [],
    what: 'All packets to and from e1 vanish.',
    actions: ['ix>e1', 'e1>ix'].map((direction) => ({
      do: 'shim',
      key: `link:${direction}`,
      add: { lossRatio: 1 },
    })),
    truth: { blame: 'nobody' },
    settleMs: 0,
  };
  await setFaults(lab, [hole]);
  await waitUntil(() => agents.areOn('e2'), 60_000);
  await sleep(3_000);
  for (const [index, loop] of loops.entries()) {
    const asked = await loop.stop();
    const gap = tellGap(`${devices[index]}, e1 black-holed`, asked);
    // Three pings unanswered, one each 400 ms while bytes move, and the one under way: 1.6 s; the
    // rest is the machine's.
    expect(gap.gapMs).toBeLessThan(8_000);
    expect(gap.slowestMs).toBeLessThan(10_000);
    expect(asked.at(-1)).toMatchObject({ isGood: true, edge: 'e2' });
  }
}, 180_000);

it('an edge that is back is measured, left alone for five minutes, and taken at once when pinned', async () => {
  await waitUntil(() => agents.isUpFor('a2', 'e1'), 90_000);
  await waitUntil(() => agents.isUpFor('b1', 'e1'), 90_000);
  // As long as a round of comparisons takes.
  await sleep(5_000);
  expect(await agents.areOn('e2')).toBe(true);
  const loop = startCurlLoop(lab, 'a2', 400);
  await sleep(1_000);
  await agents.forward({ pinnedEdge: 'e1' });
  await waitUntil(() => agents.areOn('e1'), 30_000);
  await agents.forward({ pinnedEdge: '' });
  const gap = tellGap('a2, back to e1', await loop.stop());
  expect(gap.failedCount).toBe(0);
  expect(await edgeOf('a2')).toBe('e1');
}, 180_000);

it('an edge that is killed is left at once', async () => {
  const loops = devices.map((device) => startCurlLoop(lab, device, 400));
  await sleep(2_000);
  const edge = agents.programs.running().find(({ program }) => program === 'edge-e1');
  process.kill(edge?.pid ?? Number.NaN, 'SIGKILL');
  await waitUntil(() => agents.areOn('e2'), 60_000);
  await sleep(2_000);
  for (const [index, loop] of loops.entries()) {
    const asked = await loop.stop();
    const gap = tellGap(`${devices[index]}, e1 killed`, asked);
    // Flows that e1 had answered end with it, and curl asks no second time.
    expect(gap.gapMs).toBeLessThan(8_000);
    expect(gap.slowestMs).toBeLessThan(10_000);
    expect(asked.at(-1)).toMatchObject({ isGood: true, edge: 'e2' });
  }
}, 180_000);

it('draining an edge breaks no transfer: each byte of a download arrives, new flows go elsewhere', async () => {
  const edge = await startEdgeThatDrains('edge-e1', 60_000);
  await waitUntil(() => agents.isUpFor('a2', 'e1'), 90_000);
  await agents.forward({ pinnedEdge: 'e1' });
  await waitUntil(() => agents.areOn('e1'), 30_000);
  // 3 MB in 5 s or so; pieces of one size, so that both downloads are the same bytes.
  await lab.services.set('s1', { bytesPerSecond: 600_000 });
  const download = (...how: string[]) =>
    lab.exec('a2', 'bash', [
      '-c',
      `set -o pipefail; curl -sS ${how.join(' ')} --cacert ${lab.folder}/ca.pem https://crm.saas.test/bytes/3000000 | sha256sum`,
    ]);
  const both = Promise.all([download('-x', `http://${localProxy}`), download()]);
  await sleep(1_500);
  process.kill(edge.pid, 'SIGTERM');
  await waitUntil(() => agents.areOn('e2'), 60_000);
  const drainedMs = performance.now();
  expect(await edgeOf('a2')).toBe('e2');
  const [tunnelled, direct] = await both;
  tell(`drained e1: the download went on for ${Math.round(performance.now() - drainedMs)} ms`);
  await lab.services.reset();
  expect(tunnelled).toMatchObject({ code: 0, stderr: '' });
  expect(tunnelled.stdout).toBe(direct.stdout);
  expect(performance.now() - drainedMs).toBeGreaterThan(1_000);
}, 240_000);
