import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { problemTypes } from '#collector/http/problems.ts';

test('the documentation lists every problem with its status, and no other', () => {
  const page = readFileSync(new URL('../../../docs/collector.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)].map(
    ([, name = '', status]) => [name, Number(status)] as const,
  );
  const known = Object.entries(problemTypes).map(([name, { status }]) => [name, status] as const);
  expect(new Map(listed)).toEqual(new Map(known));
  expect(listed).toHaveLength(known.length);
});
