import { check, type Mistake } from '#contract/check.ts';
import { probeTypes } from '#contract/result.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';
import { printableLine } from '../probe/lines.ts';
import { UsageError } from '../usage-error.ts';
import { ReplayHeader } from './header.ts';
import { fillLeftOut } from './left-out.ts';

/** A line that is not a record: where it is and what is wrong with it. */
export type BadLine = { line: number; mistakes: Mistake[] };

export const describeBadLine = ({ line, mistakes }: BadLine): string =>
  printableLine(
    `line ${line}: ${mistakes.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('; ')}`,
  );

export const refuse = (bad: BadLine): never => {
  throw new UsageError(`${describeBadLine(bad)} (--keep-going passes over such lines)`);
};

/** What is told by its kind alone. */
const samples = Object.keys(records).filter(
  (name) => !(probeTypes as readonly string[]).includes(name),
);

export type ReadLine =
  | { ok: true; value: TelemetryRecord | ReplayHeader }
  | { ok: false; mistakes: Mistake[] };

/** One line of a recording, checked once. */
export const readLine = (text: string, line: number): ReadLine => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return wrong('', `not JSON: ${hintOf(text) ?? (error as Error).message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return wrong('', 'expected one object a line (NDJSON)');
  }
  const { kind, type } = value as { kind?: unknown; type?: unknown };
  if (kind === 'header') {
    return line === 1 ? check(ReplayHeader, value) : wrong('/kind', 'a header is the first line');
  }
  const name = kind === 'result' ? type : kind;
  if (typeof name !== 'string' || !Object.hasOwn(records, name)) {
    return kind === 'result'
      ? wrong('/type', `no such result; expected one of ${probeTypes.join(', ')}`)
      : wrong('/kind', `no such record; expected one of header, result, ${samples.join(', ')}`);
  }
  if (kind !== 'result' && !samples.includes(name)) {
    return wrong('/kind', `expected "kind":"result","type":"${name}"`);
  }
  fillLeftOut(name as keyof typeof records, value);
  return check(records[name as keyof typeof records], value);
};

/** What programs write most often that is none. */
const hintOf = (text: string): string | undefined => {
  const [number] = /(?<=[:,[]\s*-?)(?:NaN|Infinity)\b/.exec(text) ?? [];
  if (number !== undefined) return `${number} is no number there; what was not measured is null`;
  if (/^\s*[[{]\s*$/.test(text)) return 'one object a line is expected (NDJSON)';
  return text.includes("{'") ? "texts stand in double quotes, not in '" : undefined;
};

export const wrong = (pointer: string, message: string): ReadLine & { ok: false } => ({
  ok: false,
  mistakes: [{ pointer, message }],
});
