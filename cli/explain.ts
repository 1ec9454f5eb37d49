import { createReadStream, existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { type ApiOptions, connectApi, withApiOptions } from './api.ts';
import { askVerdict } from './explain/ask-verdict.ts';
import { readSaid, type Said } from './explain/read-said.ts';
import { reasoningOf } from './explain/reasoning.ts';
import { incidentReasoning } from './explain/reasoning-of-incident.ts';
import { printable } from './probe/lines.ts';
import { linesOf } from './replay/lines.ts';
import { UsageError } from './usage-error.ts';

const examples = `
VERDICT is one of
  FILE:LINE                     a line that \`whyslow diagnose --replay\` wrote (without :LINE the last)
  -                             the same on standard input, its last line
  DEVICE/APPLICATION            what the collector says now; the device by its name or id
  DEVICE/APPLICATION@TIME       the same, if it speaks of that time (2026-09-01T09:05Z)

Examples:
  whyslow explain verdicts.ndjson:17
  whyslow diagnose --replay results.ndjson --last | whyslow explain -
  whyslow explain LAPTOP-7/payroll`;

export const registerExplain = (program: Command): void => {
  withApiOptions(
    program
      .command('explain')
      .description(
        'why a verdict says what it says: numbers before and now, where on the path it begins, who else has it, what was ruled out',
      )
      .argument('<verdict>', 'which one: see below')
      .addHelpText('after', examples),
  ).action(async (which: string, options: ApiOptions) => {
    console.log(printable(describe(await find(which, options))));
  });
};

const describe = (said: Said): string =>
  'kind' in said ? incidentReasoning(said) : reasoningOf(said);

const find = async (which: string, options: ApiOptions): Promise<Said> => {
  if (which === '-') return readSaid(linesOf(process.stdin), undefined, 'standard input');
  const numbered = /^(.+):(\d+)$/.exec(which);
  if (numbered !== null && existsSync(numbered[1] as string)) {
    return ofFile(numbered[1] as string, Number(numbered[2]));
  }
  if (existsSync(which)) return ofFile(which, undefined);
  if (/\.(nd)?json(l)?(:\d+)?$/.test(which)) throw new UsageError(`there is no file ${which}`);
  return askVerdict(() => connectApi(options), which);
};

const ofFile = (file: string, line: number | undefined): Promise<Verdict | SharedIncident> =>
  readSaid(linesOf(createReadStream(file, { highWaterMark: 1 << 20 })), line, file);
