import { expect, it } from 'vitest';
import { createBank } from '#edge/bank.ts';
import { createMayPass } from '#edge/datagram-pace.ts';
import { defaultLimits } from '#edge/device-limits.ts';
import { createLimits } from '#edge/limits.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const bytesPerSecond = 100_000;

it('packets of both directions together keep to a device’s bytes a second', async () => {
  const bank = createBank({
    limits: { ...defaultLimits, bytesPerSecond },
    monotonicMs: () => performance.now(),
  });
  const limits = createLimits({ bank: bank.of(0), bytesPerSecond });
  const directions = [0, 1].map(() =>
    createMayPass({ datagrams: (count) => count, pace: limits.pace('device') }),
  );
  const packets = Array.from({ length: 10 }, () => Buffer.alloc(1_000));
  const fromMs = performance.now();
  let passed = 0;
  let dropped = 0;
  while (performance.now() - fromMs < 1_500) {
    for (const mayPass of directions) {
      const count = mayPass(packets);
      passed += count * 1_000;
      dropped += (packets.length - count) * 1_000;
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  }
  const seconds = (performance.now() - fromMs) / 1_000;
  expect(dropped).toBeGreaterThan(0);
  // What is left over from before, a second's worth, and one batch each way too many.
  expect(passed).toBeLessThan(bytesPerSecond * (seconds + 1) + 4 * 10_000);
  await waitUntil(() => directions.some((mayPass) => mayPass(packets.slice(0, 1)) === 1));
});

it('one batch passes no more packets than its device may send', () => {
  const mayPass = createMayPass({ datagrams: (count) => Math.min(count, 3), pace: undefined });
  expect(mayPass(Array.from({ length: 10 }, () => Buffer.alloc(1)))).toBe(3);
});
