import { check, type Mistake } from '#contract/check.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';
import { printableLine } from '../probe/lines.ts';
import { UsageError } from '../usage-error.ts';
import { ReplayHeader } from './header.ts';

/** A line that is not a record: where it is and what is wrong with it. */
export type BadLine = { line: number; mistakes: Mistake[] };

export const describeBadLine = ({ line, mistakes }: BadLine): string =>
  printableLine(
    `line ${line}: ${mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('; ')}`,
  );

export const refuse = (bad: BadLine): never => {
  throw new UsageError(`${describeBadLine(bad)} (--keep-going passes over such lines)`);
};

export type ReadLine =
  | { ok: true; value: TelemetryRecord | ReplayHeader }
  | { ok: false; mistakes: Mistake[] };

/** One line of a recording, checked once. */
export const readLine = (text: string, line: number): ReadLine => {
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

export const wrong = (pointer: string, message: string): ReadLine & { ok: false } => ({
  ok: false,
  mistakes: [{ pointer, message }],
});
