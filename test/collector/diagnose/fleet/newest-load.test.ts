import { expect, test } from 'vitest';
import { createFeed, deviceId, httpReading, pageReading, startMs } from './feed.ts';

const binMs = 300_000;

/** Nine bins with a load each, then bins with a run only; what is known of the page in each of those. */
const after = (lastLoadMs: number) => {
  const feed = createFeed(binMs);
  const close = (bin: number, lcpMs: number | null) => {
    const fromMs = startMs + bin * binMs;
    feed.take(httpReading(fromMs + 1_000));
    if (lcpMs !== null) feed.take({ ...pageReading(fromMs + 2_000, deviceId), lcpMs });
    return feed.close(fromMs).device(1).applications[0];
  };
  for (let bin = 0; bin < 9; bin += 1) close(bin, 600);
  close(9, lastLoadMs);
  return [10, 11, 12].map((bin) => close(bin, null));
};

test('a device’s own newest load speaks for ten minutes, as those of all do', () => {
  const [next, second, third] = after(900);
  expect(next?.render?.fastMs).toBe(300);
  expect(second?.pageTotal?.fastMs).toBe(300);
  expect(third?.render).toBeNull();
  expect(after(600)[0]?.render).toMatchObject({ fastMs: 0, ready: true });
});
