import { expect, onTestFinished, test } from 'vitest';
import { startScheduler } from '#agent/scheduler.ts';
import { offsetMs } from '#agent/timetable.ts';
import { takeTurns } from '#agent/turns.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Via } from '#contract/result.ts';
import { silentLog } from '#runtime/log.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const half = (id: string, via: Via, pair?: string): ProbeDefinition =>
  httpProbe('http://127.0.0.1:1/', {
    id,
    via,
    intervalMs: 1_000,
    ...(pair === undefined ? {} : { pair }),
  });

const tunnel = half('crm-http', 'tunnel', 'crm-http');
const direct = half('crm-http-direct', 'direct', 'crm-http');
const alone = half('wiki-http', 'direct');

test('two ways of a probe are one turn, in either order, under one id', () => {
  const due = [tunnel, alone, direct];
  expect(takeTurns(due, () => 0.4)).toMatchObject([
    { probes: [tunnel, direct], pairId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    { probes: [alone], pairId: undefined },
  ]);
  expect(takeTurns(due, () => 0.6)[0]?.probes).toEqual([direct, tunnel]);
  const ids = new Set(Array.from({ length: 50 }, () => takeTurns(due)[0]?.pairId));
  expect(ids.size).toBe(50);
});

test('one whose other half is not due goes alone, without an id', () => {
  expect(takeTurns([direct])).toEqual([{ probes: [direct], pairId: undefined }]);
});

test('both ways are due at the same time, others not', () => {
  const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
  expect(offsetMs(deviceId, tunnel)).toBe(offsetMs(deviceId, direct));
  expect(offsetMs(deviceId, tunnel)).not.toBe(offsetMs(deviceId, alone));
});

test('a pair never runs at once, and each half once an interval, in both orders over time', async () => {
  const log: { id: string; pairId: string | undefined; begun: boolean }[] = [];
  const scheduler = startScheduler({
    deviceId: '3f1f6c9e-7b51-4f52-9e2a-111111111111',
    begin: () => '',
    drop: () => {},
    run: async ({ probe: { id }, pairId }) => {
      log.push({ id, pairId, begun: true });
      await new Promise((resolve) => setTimeout(resolve, 2));
      log.push({ id, pairId, begun: false });
      return undefined;
    },
    onMissed: () => {},
    onPlan: () => {},
    log: silentLog(),
    ...fastClock(),
  });
  onTestFinished(() => scheduler.stop());
  scheduler.setPlan([tunnel, direct]);
  await waitUntil(() => log.length >= 160);
  await scheduler.stop();
  const orders = new Set<string>();
  for (let i = 0; i + 3 < log.length; i += 4) {
    const [a, b, c, d] = log.slice(i, i + 4);
    expect([a?.begun, b?.begun, c?.begun, d?.begun]).toEqual([true, false, true, false]);
    expect(a?.pairId).toBeDefined();
    expect(new Set([a?.pairId, b?.pairId, c?.pairId, d?.pairId]).size).toBe(1);
    expect(a?.id).not.toBe(c?.id);
    orders.add(a?.id ?? '');
  }
  expect(orders.size).toBe(2);
});

/** Every wait takes 8 ms and moves the clock by half a second. */
const fastClock = () => {
  const reading = { wallMs: 1_700_000_000_000, monotonicMs: 0, bootMs: 0 };
  return {
    readClocks: () => ({ ...reading }),
    wait: async () => {
      await new Promise((resolve) => setTimeout(resolve, 8));
      reading.wallMs += 500;
      reading.monotonicMs += 500;
      reading.bootMs += 500;
    },
  };
};
