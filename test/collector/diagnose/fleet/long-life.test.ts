import { expect, test } from 'vitest';
import {
  createKeyColumns,
  dayTimeOf,
  learningFor,
  learnValue,
  normalOf,
  noteValue,
} from '#collector/diagnose/fleet/baseline.ts';
import { slotOf } from '#collector/diagnose/fleet/columns.ts';
import { kindOf } from '#collector/diagnose/fleet/kinds.ts';
import { createNoise } from '#test/collector/diagnose/recording.ts';

test('what is normal stays so for a hundred days of one-minute bins', () => {
  const binMs = 60_000;
  const how = learningFor(binMs, true);
  const keys = createKeyColumns();
  const row = keys.add();
  const [page, slot] = [keys.page(row), slotOf(row)];
  page.what[slot] = (kindOf.tunnel << 26) >>> 0;
  page.owner[slot] = 1;
  const noise = createNoise(3);
  let when = dayTimeOf(0);
  for (let bin = 1; bin <= 1_440 * 100; bin += 1) {
    when = dayTimeOf((bin + 0.5) * binMs);
    const ms = noise.vary(20);
    noteValue(page, slot, { ms, samples: 1, skewMs: 0, bin, beside: false }, when, how);
    learnValue(page, slot, ms, when, how);
  }
  expect(normalOf(page, slot, when, how)).toBeCloseTo(20, 0);
  expect(page.level[slot]).toBeCloseTo(20, 0);
});
