import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runPlanned } from '#agent/planned-run.ts';
import { createSelfChecks, judge, type SelfCheckParts } from '#agent/self-check.ts';
import { check } from '#contract/check.ts';
import type { HttpProbe } from '#contract/plan.ts';
import { records } from '#contract/telemetry.ts';
import { createProbers, type Probers, stopProbers } from '#probes/registry.ts';
import { readClocks } from '#runtime/clock.ts';
import { silentLog } from '#runtime/log.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';

/** Keeps this program from anything else. */
const block = (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('event-loop delay', () => {
  test('a stall that is much of a short run is a distortion, whether or not a timer saw it', async () => {
    const run = createSelfChecks().start();
    await wait(15);
    block(150);
    // No timer has fired since.
    const { self, distortion } = run.finish();
    expect(self.longestDelayMs).toBeGreaterThan(100);
    expect(distortion).toBe('agent-overloaded');
  });

  test('a stall counts for those that were under way, and only from their start', async () => {
    const checks = createSelfChecks();
    const early = checks.start();
    await wait(20);
    block(200);
    const late = checks.start();
    expect(early.finish().self.longestDelayMs).toBeGreaterThan(150);
    // The machine may be busy, but our own stall was over.
    expect(late.finish().self.longestDelayMs).toBeLessThan(150);
  });

  test.each([
    ['a stall of 60 ms in a run of 100 ms', { longestDelayMs: 60 }, 100, 'agent-overloaded'],
    ['the same in a run of two seconds', { longestDelayMs: 60 }, 2_000, 'none'],
    ['a stall of 40 ms in a run of 50 ms', { longestDelayMs: 40 }, 50, 'none'],
    ['timers late all the time', { eventLoopDelayMs: 51 }, 60_000, 'agent-overloaded'],
    ['stolen CPU', { cpuStealRatio: 0.2 }, 1_000, 'agent-overloaded'],
    ['steal that the system does not tell', { cpuStealRatio: null }, 1_000, 'none'],
  ] as const)('%s: judged by what it can have done', (_, changes, runMs, expected) => {
    const self = { eventLoopDelayMs: 0, cpuStealRatio: 0, clockJumpMs: 0, ...changes };
    expect(judge(self, { sleptMs: 0, steppedMs: 0 }, runMs)).toBe(expected);
  });
});

describe('CPU steal', () => {
  const ticks = (totalTicks: number, stealTicks: number) => ({
    totalTicks,
    stealTicks,
    idleTicks: 0,
  });

  test('of a run shorter than the ticks is that of the time around it', async () => {
    let now = ticks(1_000, 100);
    const checks = createSelfChecks({ readCpuTimes: () => now });
    const first = checks.start();
    now = ticks(1_100, 130);
    expect(first.finish()).toMatchObject({
      self: { cpuStealRatio: 0.3 },
      distortion: 'agent-overloaded',
    });
    now = ticks(1_190, 139);
    const second = checks.start();
    now = ticks(1_192, 140);
    expect(second.finish().self.cpuStealRatio).toBeCloseTo(10 / 92);
  });

  test('that nothing is known of is null and not 0', () => {
    for (const readCpuTimes of [() => null, () => ({ ...ticks(5, 0), stealTicks: null })]) {
      expect(createSelfChecks({ readCpuTimes }).start().finish().self.cpuStealRatio).toBeNull();
    }
    let total = 0;
    const run = createSelfChecks({ readCpuTimes: () => ticks(total++, 0) }).start();
    expect(run.finish().self.cpuStealRatio).toBeNull();
  });
});

describe('on every result', () => {
  let probers: Probers;
  beforeAll(() => {
    probers = createProbers();
  });
  afterAll(() => stopProbers(probers));

  test('a run that the tunnel would not carry is not made, and says by which rule', async () => {
    const probe = httpProbe('http://a.direct.test/', { via: 'tunnel' });
    const result = await make(probe, {}, undefined, () => 'bypass .direct.test');
    expect(result).toMatchObject({
      availability: 0,
      durationMs: 0,
      failure: { type: 'tunnel.bypassed', source: 'none' },
      body: { exchanges: [] },
    });
    expect(result?.failure?.message).toContain('bypass .direct.test');
  });

  const make = (
    probe: HttpProbe,
    checks: SelfCheckParts = {},
    latenessMs?: number,
    bypassOf: () => string | undefined = () => undefined,
  ) =>
    runPlanned(
      {
        probers,
        deviceId: '3f1f6c9e-7b51-4f52-9e2a-111111111111',
        edgeId: () => null,
        edge: () => null,
        network: { check: async () => ({ state: 'unknown', reason: '', at: 0 }) },
        context: probeContext(),
        proxy: () => ({ host: '127.0.0.1', port: 1 }),
        bypassOf,
        selfChecks: createSelfChecks(checks),
        log: silentLog(),
      },
      { probe, runId: '3f1f6c9e-7b51-4f52-9e2a-222222222222', latenessMs, startedAt: Date.now() },
      new AbortController().signal,
    );

  /** Both clocks as they are, moved on by this much between the first look and the second. */
  const clocksMoved = (sleptMs: number, steppedMs: number) => {
    let looks = 0;
    return () => {
      const moved = looks++ === 0 ? 0 : 1;
      const { wallMs, monotonicMs } = readClocks();
      return {
        wallMs: wallMs + moved * (sleptMs + steppedMs),
        monotonicMs,
        bootMs: monotonicMs + moved * sleptMs,
      };
    };
  };

  test.each([
    ['nothing', [0, 0], 'none'],
    ['a sleep', [90_000, 0], 'asleep'],
    ['a step of the clock', [0, -3_600_000], 'clock-jumped'],
  ] as const)('of a failure too: %s', async (_, [sleptMs, steppedMs], distortion) => {
    const result = await make(
      httpProbe('http://127.0.0.1:9/'),
      { readClocks: clocksMoved(sleptMs, steppedMs) },
      12.5,
    );
    expect(result).toMatchObject({
      availability: 0,
      failure: { type: 'tcp.refused' },
      self: { latenessMs: 12.5 },
    });
    expect(check(records.http, result)).toMatchObject({ ok: true });
    expect(result?.self.clockJumpMs).toBeGreaterThan(sleptMs + steppedMs - 200);
    expect(result?.self.clockJumpMs).toBeLessThan(sleptMs + steppedMs + 200);
    if (distortion !== 'none') expect(result?.distortion).toBe(distortion);
  });

  test('a stall while the server answers is on the result', async () => {
    const server = createServer((_, answer) => {
      block(200);
      answer.end('hello');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    const result = await make(httpProbe(`http://127.0.0.1:${port}/`));
    expect(result).toMatchObject({ availability: 1, distortion: 'agent-overloaded' });
    expect(result?.self.longestDelayMs).toBeGreaterThan(150);
  });
});
