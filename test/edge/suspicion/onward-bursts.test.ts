import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EdgeBurst, formatBurstNotice, parseBurstNotice } from '#contract/burst.ts';
import { check } from '#contract/check.ts';
import type { OnwardTarget } from '#contract/policy.ts';
import { OnwardSample } from '#contract/telemetry.ts';
import { measureOnward, type OnwardWish } from '#edge/onward-probes.ts';
import { type EdgeServer, startEdgeServer } from '#edge/server.ts';
import { type BurstAsked, createOnwardBursts } from '#edge/suspicion/onward-bursts.ts';
import { createPathProber } from '#probes/path/path.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  emptyPolicy,
  entryOf,
  loopbackApplication,
} from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let edge: EdgeServer;
let target: OnwardTarget;
const asked: BurstAsked[] = [];

beforeAll(async () => {
  lab = await createEdgeLab();
  const origin = await lab.origin((socket) => socket.end());
  target = { appId: 'app', host: 'app.test', port: origin.port, intervalMs: 60_000 };
  edge = await startEdgeServer({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: await lab.edgeCertificate('e1'),
    onBurst: (one) => asked.push(one),
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication });
});
afterAll(() => lab.stop());

describe('a burst’s notice', () => {
  it('is read as it was written, and anything else is none', () => {
    const notice = { burstId: randomUUID(), forSeconds: 12.3 };
    expect(parseBurstNotice(formatBurstNotice(notice))).toEqual({ ...notice, forSeconds: 13 });
    for (const header of [undefined, '', 'x;for=3', `${notice.burstId};for=-1`, ['a', 'b']]) {
      expect(parseBurstNotice(header)).toBeUndefined();
    }
  });

  it('reaches the edge with connections to the suspected application, and no others', async () => {
    const tunnel = await lab.tunnel([entryOf('e1', edge.address.port)]);
    const burstId = randomUUID();
    const connectTo = async (host: string) => {
      const flow = await tunnel.connect({ host, port: target.port, signal: never });
      flow.reset();
    };
    await connectTo('app.test');
    tunnel.setBurst({ burstId, everyMs: 1_000, lastsMs: 30_000, destination: target });
    await connectTo('app.test');
    await connectTo('dead.app.test');
    tunnel.setBurst(undefined);
    await connectTo('app.test');
    const destination = { host: 'app.test', port: target.port };
    expect(asked).toEqual([{ deviceId: expect.any(String), burstId, forSeconds: 30, destination }]);
  });

  it('is heeded where the device may go, also while nothing answers there, and nowhere else', async () => {
    const tunnel = await lab.tunnel([entryOf('e1', edge.address.port)]);
    const block = {
      id: 'no',
      action: 'block' as const,
      hosts: ['blocked.app.test'],
      ports: [],
      devices: [],
    };
    edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication, access: [block] });
    const told = async (host: string, port: number): Promise<boolean> => {
      const burstId = randomUUID();
      tunnel.setBurst({ burstId, everyMs: 1_000, lastsMs: 30_000, destination: { host, port } });
      const flow = await tunnel.connect({ host, port, signal: never }).catch(() => undefined);
      flow?.reset();
      return asked.some((one) => one.burstId === burstId);
    };
    expect(await told('app.test', target.port)).toBe(true);
    expect(await told('dead.app.test', 1)).toBe(true);
    expect(await told('blocked.app.test', target.port)).toBe(false);
  });
});

const never = new AbortController().signal;

describe('an edge that is told of a suspicion', () => {
  const start = (
    policy: Partial<EdgeBurst> = {},
    targets: () => OnwardTarget[] = () => [target],
  ) => {
    const samples: OnwardSample[] = [];
    const wishes: OnwardWish[] = [];
    const measured: string[] = [];
    const clock = { nowMs: Date.now(), monotonicMs: 0 };
    const pathProber = createPathProber({ log: silentLog() });
    lab.onStop(() => pathProber.stop());
    const bursts = createOnwardBursts({
      policy: () => ({
        everySeconds: 0.2,
        seconds: 1,
        applicationsAtOnce: 4,
        secondsPerDay: 3_600,
        ...policy,
      }),
      targets,
      measure: (one, signal, wish) => {
        wishes.push(wish);
        measured.push(one.appId);
        return measureOnward(
          {
            edgeId: 'e1',
            access: edge.access,
            isSpecial: edge.isSpecial,
            resolve: edge.resolve,
            pathProber,
            workFolder: '',
            now: Date.now,
            log: silentLog(),
          },
          one,
          signal,
          wish,
        );
      },
      emit: (sample) => samples.push(sample),
      now: () => clock.nowMs,
      monotonicMs: () => clock.monotonicMs,
      log: silentLog(),
    });
    lab.onStop(() => bursts.stop());
    return { bursts, samples, wishes, measured, clock };
  };
  const suspicion = (
    forSeconds = 30,
    destination: BurstAsked['destination'] = target,
    deviceId = 'd1',
  ): BurstAsked => ({
    deviceId,
    burstId: randomUUID(),
    forSeconds,
    destination,
  });

  it('measures that application onward once a tick, however many devices ask', async () => {
    const { bursts, samples } = start({ seconds: 10 });
    const first = suspicion();
    const begunMs = performance.now();
    bursts.take(first);
    for (let i = 0; i < 100; i += 1) bursts.take(suspicion());
    const connects = () => samples.filter(({ path }) => path === null);
    await waitUntil(() => connects().length >= 4);
    expect(connects().length).toBeLessThanOrEqual(1 + (performance.now() - begunMs) / 200);
    bursts.stop();
    expect(new Set(samples.map(({ burstId }) => burstId))).toEqual(new Set([first.burstId]));
    for (const sample of samples) {
      expect(check(OnwardSample, sample)).toMatchObject({ ok: true });
      expect(sample).toMatchObject({ appId: 'app', connectLossRatio: 0 });
      expect(sample.connectMs).toBeGreaterThan(0);
    }
  });

  it('traces onward with its first tick', async () => {
    const { bursts, wishes } = start();
    bursts.take(suspicion());
    expect(wishes.map(({ trace }) => trace)).toEqual([false, true]);
    bursts.stop();
  });

  it('rests as long as it measured, and keeps to its seconds of a day', async () => {
    const { bursts, wishes, clock } = start({ secondsPerDay: 2 });
    const begins = (deviceId: string): boolean => {
      const before = wishes.length;
      bursts.take(suspicion(30, target, deviceId));
      return wishes.length > before;
    };
    const itsEnd = () => new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(begins('d1')).toBe(true);
    await itsEnd();
    expect(begins('d2')).toBe(false);
    clock.monotonicMs += 1_100;
    expect(begins('d2')).toBe(true);
    await itsEnd();
    clock.monotonicMs += 10_000;
    expect(begins('d3')).toBe(false);
    clock.nowMs += 86_400_000;
    expect(begins('d1')).toBe(true);
  });

  it('gives one device at most a tenth of its day', () => {
    // A day of 20 s: 2 s of it for each.
    const targets = [1, 2, 3, 4].map((n) => ({ ...target, appId: `app-${n}`, port: n }));
    const { bursts, measured } = start({ secondsPerDay: 20 }, () => targets);
    const ask = (deviceId: string, port: number) =>
      bursts.take(suspicion(30, { host: 'app.test', port }, deviceId));
    for (const { port } of targets.slice(0, 3)) ask('greedy', port);
    ask('other', 4);
    expect([...new Set(measured)]).toEqual(['app-1', 'app-2', 'app-4']);
  });

  it('measures no more applications at once than it may, and none that is not declared', async () => {
    const other = await plainOrigin();
    const targets = [target, { ...target, appId: 'other', port: other }];
    const { bursts, samples } = start({ applicationsAtOnce: 1 }, () => targets);
    bursts.take(suspicion(30, { host: 'elsewhere.test', port: 443 }));
    bursts.take(suspicion());
    bursts.take(suspicion(30, { host: 'app.test', port: other }));
    await waitUntil(() => samples.length >= 3);
    expect(new Set(samples.map(({ appId }) => appId))).toEqual(new Set(['app']));
  });
});

const plainOrigin = async (): Promise<number> => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onStop(() => server.close());
  return (server.address() as AddressInfo).port;
};
