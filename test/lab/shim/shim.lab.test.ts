import { expect, test } from 'vitest';
import { ping, startPair } from '#test/lab/shim/pair.ts';

test.for([0, 1, 5, 20, 100])('adds %i ms each way', async (delayMs) => {
  const pair = await startPair({ delayMs });
  const times = await ping(pair, { count: 20, intervalMs: 20 });
  console.log(delayMs, times);
  expect(times).toHaveLength(20);
});
