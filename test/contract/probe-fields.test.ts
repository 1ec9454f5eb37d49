import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ProbeSpec } from '#contract/organisation.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/probes.md'), 'utf8');

/** The fields that stand in the first column of the table under a heading. */
const documented = (heading: string): string[] => {
  const [, section = ''] = text.split(`\n### ${heading}\n`);
  const [table = ''] = section.split(/\n##/);
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => {
    const first = row.split('|')[1] ?? '';
    return [...first.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  });
};

const everyProbe = ['type', 'id', 'intervalSeconds', 'timeoutSeconds', 'via'];

test('what every probe has is in docs/probes.md, all of it', () => {
  expect(documented('Of every probe').sort()).toEqual([...everyProbe].sort());
  for (const { properties } of ProbeSpec.anyOf) {
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(everyProbe));
  }
});

test.each(ProbeSpec.anyOf.map((spec) => [spec.properties.type.const, spec] as const))(
  'the fields of %s probes in docs/probes.md are those of the contract',
  (type, { properties }) => {
    const own = Object.keys(properties).filter((name) => !everyProbe.includes(name));
    expect(documented(`\`${type}\``).sort()).toEqual(own.sort());
  },
);
