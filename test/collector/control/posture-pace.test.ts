import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFleet, postureEveryMs } from '#collector/control/fleet.ts';
import { devices } from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import type { PostureFacts } from '#contract/access.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';

const folder = makeFolder('posture-pace');
let state: State;
beforeAll(async () => {
  state = await openEmptyState(folder);
}, 60_000);
afterAll(async () => {
  await state.stop();
  removeFolder(folder);
});

const system = { platform: 'linux', osName: 'debian', osVersion: '12', agentVersion: '0.1.0' };

/** A device that just enrolled, at a collector whose clock only goes when it is told. */
const startDevice = async () => {
  const fleet = createFleet(state.db);
  const id = randomUUID();
  const certificate = { certificateSerial: '1', certificateNotAfter: 1e13 };
  const about = { name: 'laptop', platform: 'linux', programVersion: '0.1.0', enrolledAt: 0 };
  await state.db.insert(devices).values({ id, ...about, ...certificate });
  return {
    fleet,
    tell: (osVersion: string, now: number) => {
      const facts: PostureFacts = {
        ...{ diskEncrypted: 'yes', firewallOn: 'yes', screenLock: 'unknown', ...system },
        osVersion,
      };
      const report = { kind: 'posture' as const, id: randomUUID(), deviceId: id, at: now, facts };
      return fleet.setPosture(report, now);
    },
    inForce: async (now: number) =>
      (await fleet.knownDevices(now)).find((device) => device.id === id)?.posture?.osVersion,
    assign: (now: number) => fleet.assign(id, { userId: null, labels: ['new'] }, 'test', now),
  };
};

test('a device brings about one change of policy a minute, whatever it tells; the newest counts', async () => {
  const { fleet, tell, inForce } = await startDevice();
  const start = 1_800_000_000_000;
  const seen: { at: number; news: string; version: string | undefined }[] = [];
  for (let second = 0; second <= 200; second++) {
    const now = start + second * 1_000;
    if (second <= 150) await tell(`12.${second}`, now);
    const [news, version] = [await fleet.deviceNews(now), await inForce(now)];
    const before = seen.at(-1);
    if (before?.news === news) expect(version).toBe(before.version);
    else seen.push({ at: second, news, version });
  }
  expect(seen.map(({ at, version }) => [at, version])).toEqual([
    [0, '12.0'],
    // Told in that second itself: the one of before has been in force, and is the newest until then.
    [60, '12.59'],
    [120, '12.119'],
    [180, '12.150'],
  ]);
  expect(postureEveryMs).toBe(60_000);
}, 60_000);

test('a change after a quiet minute, and what an operator says, take effect at once', async () => {
  const { fleet, tell, inForce, assign } = await startDevice();
  const start = 1_900_000_000_000;
  await tell('11', start);
  const first = await fleet.deviceNews(start);
  await tell('12', start + 60_000);
  expect(await inForce(start + 60_000)).toBe('12');
  const second = await fleet.deviceNews(start + 60_000);
  expect(second).not.toBe(first);
  await tell('13', start + 61_000);
  expect(await fleet.deviceNews(start + 61_000)).toBe(second);
  await assign(start + 62_000);
  expect(await fleet.deviceNews(start + 62_000)).not.toBe(second);
  expect(await inForce(start + 62_000)).toBe('12');
  expect(await inForce(start + 120_000)).toBe('13');
});
