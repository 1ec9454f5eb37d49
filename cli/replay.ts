import { type Static, Type } from '@sinclair/typebox';
import { createFold } from '#collector/diagnose/fold.ts';
import { toPoints } from '#collector/store/points.ts';
import { check, type Mistake } from '#contract/check.ts';
import { closed, Slug, Text, Uuid } from '#contract/scalar.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import { UsageError } from './usage-error.ts';

/** Optional first line of a recording: what people call the ids in it. */
const ReplayHeader = Type.Object(
  {
    kind: Type.Literal('header'),
    version: Type.Literal(1),
    applications: Type.Optional(Type.Array(Type.Object({ id: Slug, name: Text(128) }, closed))),
    devices: Type.Optional(Type.Array(Type.Object({ id: Uuid, name: Text(128) }, closed))),
    edges: Type.Optional(Type.Array(Type.Object({ id: Slug, name: Text(128) }, closed))),
  },
  closed,
);
type ReplayHeader = Static<typeof ReplayHeader>;

/** A line that is not a record: where it is and what is wrong with it. */
export type BadLine = { line: number; mistakes: Mistake[] };

/**
 * The verdicts of a recording, one per HTTP or page-load result in the order of the lines. Without
 * `onBadLine` the first bad line ends it with a UsageError that names line and field.
 */
export async function* replay(
  lines: AsyncIterable<string>,
  onBadLine: (bad: BadLine) => void = refuse,
): AsyncGenerator<Verdict> {
  let fold = createFold(namesOf(undefined));
  let line = 0;
  for await (const text of lines) {
    line += 1;
    if (text.trim() === '') continue;
    const read = readLine(text, line);
    if (!read.ok) onBadLine({ line, mistakes: read.mistakes });
    else if (read.value.kind === 'header') fold = createFold(namesOf(read.value));
    else {
      const verdict = fold.add(toPoints(read.value, timeOf(read.value)));
      if (verdict !== undefined) yield verdict;
    }
  }
}

export const describeBadLine = ({ line, mistakes }: BadLine): string =>
  `line ${line}: ${mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('; ')}`;

const refuse = (bad: BadLine): never => {
  throw new UsageError(`${describeBadLine(bad)} (--keep-going passes over such lines)`);
};

type Read =
  | { ok: true; value: TelemetryRecord | ReplayHeader }
  | { ok: false; mistakes: Mistake[] };

const readLine = (text: string, line: number): Read => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return wrong('', `not JSON: ${(error as Error).message}`);
  }
  if (value === null || typeof value !== 'object') return wrong('', 'expected an object');
  const { kind, type } = value as { kind?: unknown; type?: unknown };
  if (kind === 'header') {
    return line === 1 ? check(ReplayHeader, value) : wrong('/kind', 'a header is the first line');
  }
  const name = kind === 'result' ? type : kind;
  if (typeof name !== 'string' || !Object.hasOwn(records, name)) {
    const field = kind === 'result' ? '/type' : '/kind';
    return wrong(field, `no such record; expected one of ${Object.keys(records).join(', ')}`);
  }
  return check(records[name as keyof typeof records], value);
};

const wrong = (pointer: string, message: string): Read => ({
  ok: false,
  mistakes: [{ pointer, message }],
});

/** A recording does not know when the collector received it; the record's own time stands in. */
const timeOf = (record: TelemetryRecord): number =>
  record.kind === 'result' ? record.startedAt : record.at;

const namesOf = (header: ReplayHeader | undefined) => {
  const table = (rows: readonly { id: string; name: string }[] | undefined) =>
    Object.fromEntries((rows ?? []).map(({ id, name }) => [id, name]));
  return {
    applications: table(header?.applications),
    devices: table(header?.devices),
    edges: table(header?.edges),
  };
};
