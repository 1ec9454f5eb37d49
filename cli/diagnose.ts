import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { explainIncident, explainVerdict } from './explain-verdict.ts';
import { printable, printableJson } from './probe/lines.ts';
import { longestBinSeconds, shortestBinSeconds } from './replay/header.ts';
import { mostLate } from './replay/lateness.ts';
import { createNews } from './replay/news.ts';
import type { NumberedLines } from './replay/numbered.ts';
import { type BadLine, describeBadLine } from './replay/read-line.ts';
import { openRecording } from './replay/recording.ts';
import type { ReplayCounts } from './replay/replay-fleet.ts';
import { replayRuns } from './replay/replay-runs.ts';
import { UsageError } from './usage-error.ts';

export const registerDiagnose = (program: Command): void => {
  program
    .command('diagnose')
    .description('the verdicts and incidents of recorded results, by the engine of the collector')
    .requiredOption(
      '--replay <file>',
      'recorded measurements, NDJSON in order of time (docs/replay.md); - reads stdin. A file that is not in order is put into it',
    )
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
    .addHelpText('after', exitCodes)
    .action(async (options: DiagnoseOptions) => {
      // Without a listener an error of the stream ends the program before it can be caught.
      process.stdout.on('error', () => undefined);
      try {
        await diagnoseFile(options);
      } catch (error) {
        if (!isReaderGone(error)) throw error;
      }
    });
};

/** Whoever reads has seen enough, as `head` does. */
const isReaderGone = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === 'EPIPE';

const exitCodes = `
Exit codes:
  0  judged, whatever was found
  1  with --exit-code: a last verdict is slow or failing
  2  the recording cannot be judged: not a file, a bad line, nothing measured in it, or a stream that
     is not in order of time`;

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
  const { lines, wasPutInOrder } = await openRecording(
    options.replay,
    options.bin === undefined ? undefined : options.bin * 1_000,
  );
  if (wasPutInOrder) console.error(`${options.replay} is not in order of time: it is put into it`);
  const last = new Map<string, Said>();
  for await (const said of sayings(lines, options)) {
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
  lines: AsyncIterable<NumberedLines>,
  options: DiagnoseOptions,
): AsyncGenerator<Said[]> {
  const onBadLine = options.keepGoing
    ? (bad: BadLine) => console.error(describeBadLine(bad))
    : undefined;
  if (options.runs) {
    let count = 0;
    for await (const verdict of replayRuns(lines, onBadLine)) {
      count += 1;
      yield [verdict];
    }
    if (count === 0) throw nothingIn(options, 'http or page-load result');
    return;
  }
  // The engine is loaded by the one command that needs it.
  const { replayFleet } = await import('./replay/replay-fleet.ts');
  const news = createNews();
  const replay = replayFleet(lines, {
    ...(options.bin === undefined ? {} : { binMs: options.bin * 1_000 }),
    ...(onBadLine === undefined ? {} : { onBadLine }),
  });
  for (;;) {
    const step = await replay.next();
    if (step.done) {
      if (step.value.readings === 0) throw nothingIn(options, 'measurement that is used');
      sayLate(step.value, options);
      return;
    }
    yield [...step.value.verdicts, ...news.of(step.value.incidents)];
  }
}

const nothingIn = ({ replay }: DiagnoseOptions, what: string): UsageError =>
  new UsageError(`there is no ${what} in ${replay === '-' ? 'standard input' : replay}`);

const sayLate = (
  { readings, late, graceMs }: ReplayCounts,
  { keepGoing }: DiagnoseOptions,
): void => {
  if (late === 0) return;
  const words = `${late} of ${readings} readings came more than ${graceMs / 1_000} s after their bin had ended: they are known as past, no verdict rests on them`;
  if (late <= mostLate * readings || keepGoing) console.error(words);
  else {
    throw new UsageError(
      `${words}. Records come in order of time: give them sorted, or as a file, which is put in order (--keep-going takes them as they are)`,
    );
  }
};

/** Waits for a slow reader, so that a long replay does not pile up in memory. */
const print = async (said: readonly Said[], { explain }: DiagnoseOptions): Promise<void> => {
  if (said.length === 0) return;
  if (process.stdout.errored) throw process.stdout.errored;
  const lines = said.map((each) => (explain ? printable(explained(each)) : printableJson(each)));
  if (!process.stdout.write(`${lines.join('\n')}\n`)) await once(process.stdout, 'drain');
};

const explained = (said: Said): string =>
  isIncident(said) ? explainIncident(said) : explainVerdict(said);
