import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readLine } from '#cli/replay/read-line.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import {
  CauseElement,
  Evidence,
  Ledger,
  LedgerPart,
  SharedIncident,
  Verdict,
  VerdictCause,
} from '#contract/verdict.ts';

const docs = readFileSync(new URL('../../docs/replay.md', import.meta.url), 'utf8');
const records = docs.slice(docs.indexOf('### Records'), docs.indexOf('### How faults look'));

/** A kind's part of the page: its examples, and its table of keys. */
const parts = records
  .split('\n#### ')
  .slice(1)
  .map((part) => ({
    name: part.slice(0, part.indexOf('\n')).replaceAll('`', ''),
    examples: [...part.matchAll(/```ndjson\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
      block.trimEnd().split('\n'),
    ),
    keys: [...part.matchAll(/^\| (`[^|]*`) \|[^|]*\| (yes)? ?\|/gm)].flatMap(
      ([, cell = '', needed]) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, key = '']) => ({
          path: key.replace('….', 'body.exchanges[].').split('.'),
          needed: needed === 'yes',
        })),
    ),
  }));
const [results, ...kinds] = parts;
const isResult = (line: string): boolean => line.startsWith('{"kind":"result"');

const read = (record: unknown) => readLine(JSON.stringify(record), 7);
/** Without one key, in all entries of a list. */
const without = (value: unknown, path: readonly string[]): unknown => {
  const [step = '', ...rest] = path;
  const key = step.replace('[]', '');
  const object = value as Record<string, unknown>;
  const held = object[key];
  if (held === undefined || held === null) return value;
  if (rest.length === 0) return { ...object, [key]: undefined };
  const inner = Array.isArray(held) ? held.map((one) => without(one, rest)) : without(held, rest);
  return { ...object, [key]: inner };
};
const has = (value: unknown, path: readonly string[]): boolean =>
  JSON.stringify(without(value, path)) !== JSON.stringify(value);

it('docs/replay.md tells of seven kinds of record, each with an example', () => {
  expect(kinds.map(({ examples }) => examples.length)).toEqual([3, 1, 1, 1, 1, 1, 1]);
});

describe.each(kinds)('docs/replay.md, $name', ({ examples, keys }) => {
  const all = (line: string) => [...(isResult(line) ? (results?.keys ?? []) : []), ...keys];

  it('its examples are read and used', () => {
    for (const line of examples) {
      const record = readLine(line, 2);
      expect(record).toMatchObject({ ok: true });
      expect(record.ok && readingOf(record.value as TelemetryRecord)).toBeDefined();
    }
  });

  it('a key that is needed is missed, by its name', () => {
    for (const line of examples) {
      const record: unknown = JSON.parse(line);
      for (const { path } of all(line).filter(({ path, needed }) => needed && has(record, path))) {
        const bare = read(without(record, path));
        expect(bare.ok, path.join('.')).toBe(false);
        if (!bare.ok) expect(bare.mistakes[0]?.pointer).toMatch(`/${path.at(-1)}`);
      }
    }
  });

  it('all that is not needed may be left out at once', () => {
    for (const line of examples) {
      const bare = all(line)
        .filter(({ path, needed }) => !needed && !(path[0] === 'failure'))
        .reduce<unknown>((record, { path }) => without(record, path), JSON.parse(line));
      const kept = keys.some(({ path }) => path.at(-1) === 'durationMs')
        ? withDuration(bare)
        : bare;
      expect(read(kept), JSON.stringify(kept)).toMatchObject({ ok: true });
    }
  });

  it('each key it names is a key of the schema', () => {
    const found = keys.filter(({ path }) => examples.some((line) => has(JSON.parse(line), path)));
    const others = keys.filter((key) => !found.includes(key)).map(({ path }) => path.join('.'));
    expect(['', 'body.certificate.protocol', 'body.mtu']).toEqual(expect.arrayContaining(others));
  });
});

/** Of an exchange either the whole is known or its phases. */
const withDuration = (record: unknown): unknown => {
  const { body } = record as { body?: { exchanges?: object[] } };
  const exchanges = body?.exchanges?.map((exchange) => ({ ...exchange, durationMs: 180 }));
  return exchanges === undefined ? record : { ...(record as object), body: { ...body, exchanges } };
};

describe('docs/replay.md tells every field of what comes out', () => {
  const said = docs.slice(docs.indexOf('## What comes out'), docs.indexOf('## A complete example'));
  /** Names in the first column of the table that begins with this. */
  const fieldsOf = (heading: string, from = said): string[] => {
    const [, table = ''] = /---\|\n([\s\S]*?)\n\n/.exec(from.slice(from.indexOf(heading))) ?? [];
    return [...table.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    );
  };
  const keysOf = ({ properties }: { properties: object }): string[] => Object.keys(properties);

  it.each([
    ['of a verdict', fieldsOf('| field | unit |'), keysOf(Verdict)],
    ['of a cause', fieldsOf('| field of `causes[]`'), keysOf(VerdictCause)],
    ['of evidence', fieldsOf('| field of `evidence[]`'), keysOf(Evidence)],
    ['of an element', fieldsOf('| field of `element`'), keysOf(CauseElement)],
    [
      'of a ledger',
      fieldsOf('| field of `ledger`'),
      [
        ...keysOf(Ledger).filter((key) => key !== 'parts'),
        ...keysOf(LedgerPart).map((key) => `parts[].${key}`),
      ],
    ],
    [
      'of an incident',
      fieldsOf('| field | unit |', said.slice(said.indexOf('### Incident'))),
      keysOf(SharedIncident),
    ],
  ])('%s', (_name, told, keys) => {
    expect([...told].sort()).toEqual([...keys].sort());
  });
});
