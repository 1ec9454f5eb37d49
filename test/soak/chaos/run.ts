import { sleep } from '#runtime/backoff.ts';
import { randomOf } from '#test/lab/shim/random.ts';
import { storedResultIds } from '#test/support/stored-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { type Compared, compareFates, findingsOf } from './judge.ts';
import { type Member, waitUntilUp } from './member.ts';
import { startWorld, type World } from './world.ts';

export type ChaosReport = {
  seed: number;
  kills: Record<string, number>;
  seconds: number;
  afterKills: Compared;
  afterReplay: Compared;
  /** The real agent's account: planned = stored + lost by reason. */
  agent: Record<string, unknown>;
  findings: string[];
};

/** Kills at random, fills the disk, cuts the network for a night, replays; then compares every id. */
export const runChaos = async (options: {
  kills: number;
  seed: number;
  devices: number;
  /** Between two results of a device. */
  everyMs: number;
  say: (text: string) => void;
}): Promise<ChaosReport> => {
  const { seed, say } = options;
  const next = randomOf(seed);
  const beganMs = performance.now();
  const world = await startWorld(options);
  say(`all up after ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
  try {
    const kills = await killAtRandom(world, options, next);
    await settle(world, say);
    const isInvented = (url: string) => !url.startsWith(world.originUrl);
    const ofDevices = async () =>
      compareFates({
        ...world.ids,
        stored: await storedResultIds(world.servers.influxUrl, 'whyslow', isInvented),
      });
    const afterKills = await ofDevices();
    await world.agent.end();
    for (const device of world.devices) await device.kill();
    for (let round = 1; round <= 2; round += 1) {
      for (const device of world.devices) await device.replay((lines) => recut(lines, next));
    }
    const afterReplay = await ofDevices();
    const agent = await agentAccount(world);
    const findings = [
      ...findingsOf('after the kills', afterKills),
      ...findingsOf('after the replay', afterReplay),
      ...agentFindings(agent),
    ];
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    return { seed, kills, seconds, afterKills, afterReplay, agent, findings };
  } finally {
    await world.stop();
  }
};

const killAtRandom = async (
  world: World,
  { kills, say }: { kills: number; say: (text: string) => void },
  next: () => number,
): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  const comingBack = new Map<Member, Promise<void>>();
  const kill = async (victim: Member): Promise<void> => {
    counts[victim.name] = (counts[victim.name] ?? 0) + 1;
    await victim.kill();
    comingBack.set(victim, comeBack(victim, 100 + next() * 900));
  };
  const comeBack = async (victim: Member, afterMs: number): Promise<void> => {
    await sleep(afterMs);
    await victim.start();
    comingBack.delete(victim);
  };
  const influxdb = world.members.find(({ name }) => name === 'influxdb') as Member;
  const at = (share: number) => Math.max(1, Math.round(kills * share));
  const episodes: Record<number, () => Promise<void> | void> = {
    [at(0.2)]: () => world.servers.disk?.fill(),
    [at(0.3)]: async () => {
      world.servers.disk?.makeRoom();
      // InfluxDB 1.x takes nothing after a full disk until it is restarted.
      if (influxdb.isUp()) await kill(influxdb);
    },
    [at(0.5)]: async () => {
      world.balancer.cut();
      for (const device of world.devices) {
        await waitUntil(device.isUp, 60_000);
        device.makeNight();
      }
    },
    [at(0.7)]: () => world.balancer.heal(),
  };
  for (let done = 1; done <= kills; done += 1) {
    await episodes[done]?.();
    await waitUntil(() => world.members.some((one) => one.isUp() && !comingBack.has(one)), 60_000);
    const alive = world.members.filter((one) => one.isUp() && !comingBack.has(one));
    const victim = alive[Math.floor(next() * alive.length)] as Member;
    await kill(victim);
    if (done % 20 === 0) say(`${done} kills; ${world.ids.safe.size} results made`);
    await sleep(200 + next() * 600);
  }
  await Promise.all(comingBack.values());
  return counts;
};

/** No more trouble: everybody comes up, and the spools empty. */
const settle = async (world: World, say: (text: string) => void): Promise<void> => {
  const beganMs = performance.now();
  await waitUntilUp(world.members, 120_000);
  for (const device of world.devices) device.rest();
  await waitUntil(() => world.devices.every((one) => one.isEmpty()), 180_000);
  say(`all empty after ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
};

/** In another order and in other batches than before. */
const recut = (lines: string[], next: () => number): string[][] => {
  const shuffled = lines
    .map((line) => ({ line, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ line }) => line);
  const batches: string[][] = [];
  while (shuffled.length > 0) batches.push(shuffled.splice(0, 1 + Math.floor(next() * 400)));
  return batches;
};

/** Asked until it has told of its last minute, or for a minute. */
const agentAccount = async (world: World): Promise<Record<string, unknown>> => {
  const listed = JSON.parse((await world.hands.operator('/v1/devices')).text) as unknown;
  const devices = Object.values(listed as object).flat() as { id: string; name: string }[];
  const id = devices.find(({ name }) => name === 'chaos-agent')?.id;
  const ask = async () => (await world.hands.operator(`/v1/devices/${id}/zero-loss`)).json;
  let account = await ask();
  await waitUntil(async () => {
    account = await ask();
    return Number(account['plannedCount']) > 0 && account['unexplainedCount'] === 0;
  }, 60_000).catch(() => undefined);
  const { plannedCount, storedCount, lost, underwayCount, unexplainedCount, duplicateCount } =
    account;
  return { plannedCount, storedCount, lost, underwayCount, unexplainedCount, duplicateCount };
};

const agentFindings = (agent: Record<string, unknown>): string[] => [
  ...(Number(agent['plannedCount']) > 0 ? [] : ['the agent told no account']),
  ...(['unexplainedCount', 'duplicateCount'] as const)
    .filter((name) => agent[name] !== 0)
    .map((name) => `the agent's ${name} is ${String(agent[name])}`),
];
