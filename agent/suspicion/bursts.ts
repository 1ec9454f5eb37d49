import { randomUUID } from 'node:crypto';
import type { DeviceBurst } from '#contract/burst.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import { startFamilyCpuMeter } from '../device/family-cpu.ts';
import type { Power } from '../device/power.ts';
import type { Measuring } from '../measuring.ts';
import { bytesOf } from '../on-demand/bytes.ts';
import type { Sampling } from '../sampling.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { type Allowance, openAllowance, whyNotBegin, whyOver } from './allowance.ts';
import { type BurstProbes, chooseProbes, turnsOfTick } from './burst-turns.ts';
import { drawLot } from './chance.ts';
import { beginCourse, type Course, overloaded } from './course.ts';
import { createSuspicion, type Suspicion } from './suspicion.ts';

/**
 * Of a tick beside its runs: echoes to the gateway, a handshake with the edge, pings, and the records
 * of all that on their way to the collector.
 */
const bytesOfTick = 4_000;
/** A result's record, shipped. */
const bytesOfRecord = 500;

export type BurstStatus = {
  isUnderWay: boolean;
  /** Of the last one; null: none yet. */
  last: { appId: string; beganAt: number; why: string; ended: string } | null;
  today: { bytes: number; cpuMs: number };
};

export type Bursts = Running & {
  /** Takes every result; the first odd one begins a burst. */
  observe(result: Result): void;
  setPlan(probes: readonly ProbeDefinition[]): void;
  status(): BurstStatus;
};

type Parts = {
  deviceId: string;
  folder: string;
  /** Undefined: none is to be made. */
  policy: () => DeviceBurst | undefined;
  plan: () => readonly ProbeDefinition[];
  makeExtra: Measuring['makeExtra'];
  edge: () => { host: string; port: number } | null;
  tunnel: Pick<Tunnel, 'setBurst'>;
  sampling: Pick<Sampling, 'setDense'>;
  power: () => Power;
  log: Log;
};

type Current = { id: string; probes: BurstProbes; course: Course; charge(bytes: number): void };

/**
 * Burst on suspicion: one at a time and none waiting, within the budgets of hour and day, by lot in a
 * large fleet.
 */
export const startBursts = async (parts: Parts): Promise<Bursts> => {
  const log = parts.log.child({ component: 'burst' });
  const allowance = await openAllowance(parts.folder);
  const detector = createSuspicion();
  const stopping = new AbortController();
  let current: Current | undefined;
  let underWay: Promise<void> | undefined;
  let last: BurstStatus['last'] = null;

  const begin = (suspicion: Suspicion, policy: DeviceBurst, delayMs: number) => {
    underWay = sleep(delayMs, stopping.signal)
      .then(() => burst(suspicion, policy))
      .catch((error: unknown) => log.error({ err: error }, 'burst failed'))
      .finally(() => {
        underWay = undefined;
      });
  };

  const burst = async (suspicion: Suspicion, policy: DeviceBurst): Promise<void> => {
    const probes = chooseProbes(parts.plan(), suspicion, parts.edge());
    if (stopping.signal.aborted || probes === undefined) return;
    const { appId, probeId, oddness } = suspicion;
    // It may have waited for its moment.
    const why = problem(policy);
    if (why !== undefined) {
      log.debug({ ...suspicion, why }, 'no burst after all');
      return detector.release(suspicion);
    }
    const id = randomUUID();
    await allowance.begin(Date.now());
    log.info({ burstId: id, appId, probeId, oddness }, 'an odd result: measuring every second');
    last = { appId, beganAt: Date.now(), why: `${probeId} is ${oddness}`, ended: '' };
    const everyMs = policy.everySeconds * 1_000;
    parts.sampling.setDense({ burstId: id, everyMs });
    parts.tunnel.setBurst({
      burstId: id,
      everyMs,
      lastsMs: policy.seconds * 1_000,
      destination: probes.destination,
    });
    const course = beginCourse(policy, performance.now());
    const meter = meterFor(allowance);
    current = { id, probes, course, charge: meter.addBytes };
    try {
      last.ended = await tickUntilOver(current, policy, meter);
      if (last.ended === overloaded) detector.release(suspicion);
    } finally {
      current = undefined;
      parts.tunnel.setBurst(undefined);
      parts.sampling.setDense(undefined);
      meter.charge();
      await allowance.settle();
      log.info({ burstId: id, appId, ended: last.ended, ...meter.total() }, 'burst over');
    }
  };

  /** Gives the reason why it ended. */
  const tickUntilOver = async (
    { id, probes, course }: Current,
    policy: DeviceBurst,
    meter: Meter,
  ): Promise<string> => {
    const busy = new Set<string>();
    const begunMs = performance.now();
    for (let tick = 0; ; tick += 1) {
      const dueMs = begunMs + tick * policy.everySeconds * 1_000;
      await sleep(Math.max(0, dueMs - performance.now()), stopping.signal);
      if (stopping.signal.aborted) return 'the agent stopped';
      meter.charge();
      const why =
        course.whyOver(performance.now(), meter.total().cpuMs) ??
        whyOver(allowance.spent(Date.now()), policy) ??
        whyDear(policy);
      if (why !== undefined) return why;
      meter.addBytes(bytesOfTick);
      const turns = turnsOfTick(probes, tick, policy.everySeconds, (probe) => busy.has(probe));
      for (const turn of turns) {
        for (const probe of turn.probes) busy.add(probe.id);
        void parts.makeExtra(turn, { burstId: id }).then(() => {
          for (const probe of turn.probes) busy.delete(probe.id);
        });
      }
    }
  };

  /** Asked at each tick: a laptop is unplugged, or leaves its network for a mobile one, at any time. */
  const whyDear = (policy: DeviceBurst): string | undefined => {
    const { onBattery, onMetered } = parts.power();
    if (onBattery === true && !policy.onBattery) return 'the device is on battery';
    if (onMetered === true && !policy.onMetered) return 'the network is metered';
    return undefined;
  };
  /** Why none may begin now; undefined: it may. */
  const problem = (policy: DeviceBurst): string | undefined =>
    whyDear(policy) ?? whyNotBegin(allowance.spent(Date.now()), policy);

  const consider = (suspicion: Suspicion) => {
    const policy = parts.policy();
    if (policy === undefined || underWay !== undefined || stopping.signal.aborted) return;
    const why = problem(policy);
    if (why !== undefined) {
      log.debug({ ...suspicion, why }, 'an odd result, and no burst');
      return;
    }
    const nowMs = Date.now();
    detector.take(suspicion, nowMs);
    const { appId } = suspicion;
    const { isDrawn, delayMs } = drawLot({ deviceId: parts.deviceId, appId, nowMs }, policy);
    if (isDrawn) begin(suspicion, policy, delayMs);
    else log.debug({ ...suspicion, why: 'left to other devices' }, 'an odd result, and no burst');
  };

  return {
    observe(result) {
      const look = detector.look(result);
      if (current !== undefined && result.burstId === current.id) {
        current.charge(bytesOf(result) + bytesOfRecord);
        if (result.probeId === current.probes.main.id) {
          current.course.note(look, result.distortion !== 'none', performance.now());
        }
      }
      const suspicion = detector.suspicionOf(result, look, Date.now());
      if (suspicion !== undefined) consider(suspicion);
    },
    setPlan: (probes) => detector.keep(new Set(probes.map(({ id }) => id))),
    status() {
      const { bytes, cpuMs } = allowance.spent(Date.now());
      return { isUnderWay: current !== undefined, last, today: { bytes, cpuMs } };
    },
    stop: async () => {
      stopping.abort();
      await underWay;
    },
  };
};

type Meter = ReturnType<typeof meterFor>;

/**
 * What a burst costs, charged as it goes; the CPU is that of the whole agent with its path engine and
 * browser: it gives way to the user.
 */
const meterFor = (allowance: Allowance) => {
  const total = { bytes: 0, cpuMs: 0 };
  const usedCpuMs = startFamilyCpuMeter();
  let chargedCpuMs = 0;
  let bytes = 0;
  return {
    addBytes(more: number): void {
      bytes += more;
    },
    charge(): void {
      const cpuMs = usedCpuMs();
      const cost = { bytes, cpuMs: cpuMs - chargedCpuMs };
      chargedCpuMs = cpuMs;
      bytes = 0;
      total.bytes += cost.bytes;
      total.cpuMs += cost.cpuMs;
      allowance.charge(cost, Date.now());
    },
    total: () => ({ ...total }),
  };
};
