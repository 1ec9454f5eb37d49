import { expect, test } from 'vitest';
import { createColumns, pageRows, slotOf } from '#collector/diagnose/fleet/columns.ts';

const spec = { value: 'u32' } as const;
const fill = (columns: ReturnType<typeof createColumns<typeof spec>>, count: number): void => {
  for (let i = 0; i < count; i += 1) {
    const row = columns.add();
    columns.page(row).value[slotOf(row)] = row + 1;
  }
};

test('what was emptied after many rows is saved with the few it has now', () => {
  const columns = createColumns(spec);
  fill(columns, 3 * pageRows);
  const saved = () => columns.save()['value']?.pieces.flatMap((piece) => [...piece]);
  columns.empty();
  fill(columns, 5);
  expect(saved()).toEqual([1, 2, 3, 4, 5]);
  columns.empty();
  expect(saved()).toEqual([]);
});
