import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Verdict } from '#contract/verdict.ts';
import { explainVerdict } from './explain-verdict.ts';
import { describeBadLine, replay } from './replay.ts';
import { UsageError } from './usage-error.ts';

export const registerDiagnose = (program: Command): void => {
  program
    .command('diagnose')
    .description('the verdicts of recorded results, the same as the collector gave')
    .requiredOption('--replay <file>', 'recorded results, NDJSON (docs/replay.md); - reads stdin')
    .option('--last', 'only the last verdict of each device and application')
    .option('--explain', 'for people: sentence, ledger and evidence')
    .option('--keep-going', 'pass over lines that are not records, and say so')
    .option('--exit-code', 'exit with 1 when a last verdict is slow or failing')
    .action(async (options: DiagnoseOptions) => {
      await diagnoseFile(options);
    });
};

type DiagnoseOptions = {
  replay: string;
  last?: true;
  explain?: true;
  keepGoing?: true;
  exitCode?: true;
};

const diagnoseFile = async (options: DiagnoseOptions): Promise<void> => {
  const lines = createInterface({ input: await open(options.replay), crlfDelay: Infinity });
  const onBadLine = options.keepGoing
    ? (bad: Parameters<typeof describeBadLine>[0]) => console.error(describeBadLine(bad))
    : undefined;
  const write = (verdict: Verdict) =>
    print(options.explain ? explainVerdict(verdict) : JSON.stringify(verdict));
  const last = new Map<string, Verdict>();
  for await (const verdict of replay(lines, onBadLine)) {
    last.set(`${verdict.deviceId} ${verdict.appId}`, verdict);
    if (!options.last) await write(verdict);
  }
  if (options.last) for (const verdict of last.values()) await write(verdict);
  const bad = [...last.values()].some(({ state }) => state === 'slow' || state === 'failing');
  if (options.exitCode && bad) process.exitCode = 1;
};

const open = async (file: string): Promise<NodeJS.ReadableStream> => {
  if (file === '-') return process.stdin;
  try {
    await access(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  return createReadStream(file, 'utf8');
};

/** Waits for a slow reader, so that a long replay does not pile up in memory. */
const print = async (text: string): Promise<void> => {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
};
