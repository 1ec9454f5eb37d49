import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { explainIncident, explainVerdict } from './explain-verdict.ts';
import { printable, printableJson } from './probe/lines.ts';
import { longestBinSeconds, shortestBinSeconds } from './replay/header.ts';
import { linesOf } from './replay/lines.ts';
import { createNews } from './replay/news.ts';
import { type BadLine, describeBadLine } from './replay/read-line.ts';
import type { ReplayCounts } from './replay/replay-fleet.ts';
import { replayRuns } from './replay/replay-runs.ts';
import { UsageError } from './usage-error.ts';

export const registerDiagnose = (program: Command): void => {
  program
    .command('diagnose')
    .description('the verdicts and incidents of recorded results, by the engine of the collector')
    .requiredOption('--replay <file>', 'recorded results, NDJSON (docs/replay.md); - reads stdin')
    .option(
      '--bin <seconds>',
      'length of a bin (default: the header’s, else 60 where probes run every minute, else 300)',
      binSeconds,
    )
    .option('--runs', 'a verdict for each run, from its own device’s evidence only')
    .option('--last', 'only the last verdict of each device and application, and of each incident')
    .option('--explain', 'for people: sentence, ledger and evidence')
    .option('--keep-going', 'pass over lines that are not records, and say so')
    .option('--exit-code', 'exit with 1 when a last verdict is slow or failing')
    .action(async (options: DiagnoseOptions) => {
      await diagnoseFile(options);
    });
};

type DiagnoseOptions = {
  replay: string;
  bin?: number;
  runs?: true;
  last?: true;
  explain?: true;
  keepGoing?: true;
  exitCode?: true;
};

const binSeconds = (text: string): number => {
  const count = Number(text);
  if (Number.isInteger(count) && count >= shortestBinSeconds && count <= longestBinSeconds) {
    return count;
  }
  throw new InvalidArgumentError(
    `expected whole seconds from ${shortestBinSeconds} to ${longestBinSeconds}.`,
  );
};

type Said = Verdict | SharedIncident;

const diagnoseFile = async (options: DiagnoseOptions): Promise<void> => {
  const batches = linesOf(await open(options.replay));
  const last = new Map<string, Said>();
  for await (const said of sayings(batches, options)) {
    if (options.last || options.exitCode) for (const each of said) last.set(keyOf(each), each);
    if (!options.last) await print(said, options);
  }
  if (options.last) await print([...last.values()], options);
  const bad = [...last.values()].some(
    (each) => !isIncident(each) && (each.state === 'slow' || each.state === 'failing'),
  );
  if (options.exitCode && bad) process.exitCode = 1;
};

const isIncident = (said: Said): said is SharedIncident => 'kind' in said;

const keyOf = (said: Said): string =>
  isIncident(said) ? said.id : `${said.deviceId} ${said.appId}`;

async function* sayings(
  batches: AsyncIterable<string[]>,
  options: DiagnoseOptions,
): AsyncGenerator<Said[]> {
  const onBadLine = options.keepGoing
    ? (bad: BadLine) => console.error(describeBadLine(bad))
    : undefined;
  if (options.runs) {
    for await (const verdict of replayRuns(batches, onBadLine)) yield [verdict];
    return;
  }
  // The engine is loaded by the one command that needs it.
  const { replayFleet } = await import('./replay/replay-fleet.ts');
  const news = createNews();
  const replay = replayFleet(batches, {
    ...(options.bin === undefined ? {} : { binMs: options.bin * 1_000 }),
    ...(onBadLine === undefined ? {} : { onBadLine }),
  });
  for (;;) {
    const step = await replay.next();
    if (step.done) {
      sayLate(step.value);
      return;
    }
    yield [...step.value.verdicts, ...news.of(step.value.incidents)];
  }
}

const sayLate = ({ readings, late, graceMs }: ReplayCounts): void => {
  if (late === 0) return;
  console.error(
    `${late} of ${readings} readings came more than ${graceMs / 1_000} s after their bin had ended: they are known as past, no verdict rests on them`,
  );
};

const open = async (file: string): Promise<NodeJS.ReadableStream> => {
  if (file === '-') return process.stdin;
  try {
    await access(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  return createReadStream(file, { highWaterMark: 1 << 20 });
};

/** Waits for a slow reader, so that a long replay does not pile up in memory. */
const print = async (said: readonly Said[], { explain }: DiagnoseOptions): Promise<void> => {
  if (said.length === 0) return;
  const lines = said.map((each) => (explain ? printable(explained(each)) : printableJson(each)));
  if (!process.stdout.write(`${lines.join('\n')}\n`)) await once(process.stdout, 'drain');
};

const explained = (said: Said): string =>
  isIncident(said) ? explainIncident(said) : explainVerdict(said);
