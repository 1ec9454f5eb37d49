import { check, explain } from '#contract/check.ts';
import { SharedIncident, Verdict } from '#contract/verdict.ts';
import { UsageError } from '../usage-error.ts';

/** What `whyslow diagnose --replay` writes. */
export type Said = Verdict | SharedIncident;

/** One line of what was said; without a number the last that is not empty. */
export const readSaid = async (
  batches: AsyncIterable<string[]>,
  wanted: number | undefined,
  from: string,
): Promise<Said> => {
  if (wanted === 0) throw new UsageError(`${from}: lines are counted from 1`);
  let line = 0;
  let last: { text: string; line: number } | undefined;
  for await (const lines of batches) {
    for (const text of lines) {
      line += 1;
      if (text.trim() !== '' && (wanted === undefined || line === wanted)) last = { text, line };
    }
    if (wanted !== undefined && line >= wanted) break;
  }
  if (last === undefined) {
    throw new UsageError(
      wanted === undefined
        ? `${from} is empty`
        : `${from} has no line ${wanted} that says something`,
    );
  }
  return said(last.text, `${from}, line ${last.line}`);
};

const said = (text: string, where: string): Said => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${where}: not JSON: ${(error as Error).message}`);
  }
  if (isRecord(value)) {
    throw new UsageError(
      `${where} is a measurement, not a verdict: \`whyslow diagnose --replay\` makes verdicts of measurements`,
    );
  }
  const isIncident = (value as { kind?: unknown } | null)?.kind === 'incident';
  const read = isIncident ? check(SharedIncident, value) : check(Verdict, value);
  if (read.ok) return read.value;
  throw new UsageError(`${where} is no verdict:\n${explain(read.mistakes)}`);
};

const isRecord = (value: unknown): boolean => {
  const kind = (value as { kind?: unknown } | null)?.kind;
  return typeof kind === 'string' && kind !== 'incident';
};
