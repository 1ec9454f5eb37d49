import { expect, test } from 'vitest';
import type { Problem } from '#collector/http/problems.ts';
import { createLimits, ingestLimits } from '#collector/ingest/limits.ts';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';

const device = { role: 'device', id: 'a' } as const;
const other = { role: 'device', id: 'b' } as const;

const start = () => {
  let atMs = 0;
  const limits = createLimits({
    limits: {
      device: { recordsPerSecond: 10, bytesPerSecond: 1_000 },
      edge: { recordsPerSecond: 10, bytesPerSecond: 1_000 },
      tenant: { recordsPerSecond: 30, bytesPerSecond: 3_000 },
    },
    now: () => atMs,
  });
  const waitOf = (sender: typeof device | typeof other): number => {
    try {
      limits.require(sender);
      return 0;
    } catch (error) {
      return (error as Problem).options.retryAfterSeconds ?? Number.NaN;
    }
  };
  return { limits, waitOf, to: (seconds: number) => (atMs = seconds * 1_000) };
};

test('a sender may send what it saved up, then waits as long as its debt lasts, by records and by bytes', () => {
  const { limits, waitOf, to } = start();
  limits.charge(device, { records: 1_000, bytes: 10 });
  expect(waitOf(device)).toBe(0);
  limits.charge(device, { records: 500, bytes: 10 });
  expect(waitOf(device)).toBe(50);
  expect(waitOf(other)).toBe(0);
  to(50);
  expect(waitOf(device)).toBe(0);
  limits.charge(device, { records: 1, bytes: 120_000 });
  expect(waitOf(device)).toBeGreaterThanOrEqual(20);
});

test('all together have a limit too', () => {
  const { limits, waitOf } = start();
  for (const id of ['c', 'd', 'e', 'f'])
    limits.charge({ role: 'device', id }, { records: 900, bytes: 1 });
  expect(waitOf(device)).toBe(20);
});

test('a device that floods is told 429 and when to come again; another’s batches are all taken', async () => {
  const lab = await startCollectorLab({
    diagnoseDelayMs: 600_000,
    limits: { ...ingestLimits, device: { recordsPerSecond: 0.5, bytesPerSecond: 200_000 } },
  });
  try {
    const [flooding, quiet] = [await lab.enrollDevice('flooding'), await lab.enrollDevice('quiet')];
    const post = (as: typeof quiet, at: number, usualCount: number) => {
      const endMs = Date.now() - at * 1_000_000;
      return lab.postBatch(
        as,
        slowResults({ deviceId: as.id, appId: 'crm', endMs, usualCount, slowCount: 0 }),
      );
    };
    const flood = [];
    for (let at = 0; at < 6; at += 1) flood.push(await post(flooding, at, 20));
    const calm = [];
    for (let at = 0; at < 6; at += 1) calm.push((await post(quiet, at, 2)).status);
    // 50 records are saved up: the second batch of 40 is the one that makes the debt.
    expect(flood.map(({ status }) => status)).toEqual([200, 200, 429, 429, 429, 429]);
    expect(Number(flood[2]?.headers['retry-after'])).toBeGreaterThan(10);
    expect(flood[2]?.json).toMatchObject({ type: 'urn:whyslow:problem:sender-limited' });
    expect(calm).toEqual([200, 200, 200, 200, 200, 200]);
  } finally {
    await lab.stop();
  }
}, 60_000);
