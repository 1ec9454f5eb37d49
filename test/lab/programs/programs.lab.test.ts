import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAgentStatus } from '#agent/status.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { type Lab, raiseLab } from '../lab.ts';
import { twoSites } from '../topology/two-sites.ts';
import { isAlive, runningPrograms } from './program-file.ts';
import { type Programs, startPrograms } from './programs.ts';

/** The tests build on each other and run in order: one start of the programs is enough. */
let lab: Lab;
let programs: Programs;

beforeAll(async () => {
  lab = await raiseLab({ topology: twoSites, name: `p${process.pid.toString(36)}` });
  programs = await startPrograms(lab, { devices: ['a1'], intervalSeconds: 1 });
});

afterAll(async () => {
  await programs?.stop();
  await lab?.down();
});

const fileOf = (name: string) => {
  const file = programs.running().find(({ program }) => program === name);
  if (!file) throw new Error(`${name} does not run`);
  return file;
};

const processesIn = async (node: string): Promise<string[]> => {
  const { stdout } = await lab.exec('ix', 'ip', ['netns', 'pids', lab.namespaceOf(node)]);
  return stdout.split('\n').filter((line) => line !== '');
};

describe.sequential('the real programs in the lab', () => {
  test('each runs in its own namespace and is found by its file', async () => {
    const names = programs.running().map(({ program }) => program);
    expect(names.sort()).toEqual(['agent-a1', 'collector', 'edge-e1', 'edge-e2']);
    for (const { node, pid } of programs.running()) {
      expect(await processesIn(node)).toContain(String(pid));
    }
  });

  test('the collector hears of a device through the tunnel of the lab’s network', async () => {
    const { a1: deviceId } = await programs.deviceIds();
    expect(deviceId).toBeDefined();
    const path = `/v1/verdicts?device=${deviceId}&app=wiki`;
    type Answer = { items: { verdict: { edgeId: string | null; sentence: string } }[] };
    let newest: Answer['items'][number] | undefined;
    // Either edge will do: which one is nearer is hard to tell on a machine that everything starts on at once.
    await waitUntil(async () => {
      newest = (await programs.api.call<Answer>('GET', path)).items[0];
      return ['e1', 'e2'].includes(newest?.verdict.edgeId ?? '');
    }, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${newest?.verdict.sentence ?? 'no verdict'}`);
    });
  });

  test('one that is started again is who it was, with the environment it was given', async () => {
    const before = await readAgentStatus(fileOf('agent-a1').stateFolder);
    await programs.restart('agent-a1', { WHYSLOW_DEVICE_NAME: 'a1' });
    const after = await readAgentStatus(fileOf('agent-a1').stateFolder);
    expect(after.device.id).toBe(before.device.id);
    expect(after.program.pid).not.toBe(before.program.pid);
    expect(fileOf('agent-a1').environment).toEqual({ WHYSLOW_DEVICE_NAME: 'a1' });
    await expect(programs.start('agent-a1')).rejects.toThrow('runs already');
  });

  test('one that ends while it starts is told with the end of its log', async () => {
    const unusable = { WHYSLOW_COLLECTOR_URL: 'ftp://collector.lab.test' };
    await expect(programs.restart('agent-a1', unusable)).rejects.toThrow(
      /agent-a1: it ended[\s\S]*https:\/\/ URL/,
    );
    await programs.start('agent-a1');
  });

  test('stopping ends all of them, also one that hangs, and leaves no process behind', async () => {
    const files = programs.running();
    process.kill(fileOf('edge-e2').pid, 'SIGSTOP');
    await programs.stop();
    expect(files.filter(isAlive)).toEqual([]);
    expect(runningPrograms(lab.folder)).toEqual([]);
    for (const node of ['col', 'e1', 'e2', 'a1']) expect(await processesIn(node)).toEqual([]);
  });
});
