import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeSchema } from '#collector/store/describe.ts';

it('docs/store-schema.md says what the schema says', () => {
  const file = join(import.meta.dirname, '../../../docs/store-schema.md');
  expect(
    readFileSync(file, 'utf8'),
    'npx tsx collector/store/describe.ts > docs/store-schema.md',
  ).toBe(describeSchema());
});
