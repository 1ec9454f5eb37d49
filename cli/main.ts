import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { ConfigError } from '#runtime/config.ts';
import { registerApply } from './apply.ts';
import { registerDevice } from './device.ts';
import { registerDiagnose } from './diagnose.ts';
import { registerExplain } from './explain.ts';
import { registerProbe } from './probe.ts';
import { registerPrograms } from './programs.ts';
import { registerRun } from './run.ts';
import { registerToken } from './token.ts';
import { registerTrace } from './trace.ts';
import { registerUp } from './up/up.ts';
import { UsageError } from './usage-error.ts';
import { registerWhy } from './why.ts';

/**
 * The `whyslow` command. Exit codes: 0 done, 1 it ran and the answer is bad (a probe failed, a
 * verdict is slow with --exit-code), 2 it was called or configured wrongly.
 */
export const main = async (argv: readonly string[]): Promise<void> => {
  const program = new Command('whyslow')
    .description(
      'Says why it is slow: measures from where the user sits, through the tunnel and past the edge.',
    )
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(add --help for what this command takes)')
    .exitOverride();

  registerUp(program);
  registerWhy(program);
  registerExplain(program);
  registerProbe(program);
  registerRun(program);
  registerTrace(program);
  registerDiagnose(program);
  registerApply(program);
  registerToken(program);
  registerDevice(program);
  registerPrograms(program);

  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
};

const report = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || error instanceof ConfigError) {
    console.error(`whyslow: ${error.message}`);
    return 2;
  }
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 70; // EX_SOFTWARE of sysexits.h: a fault of ours
};

const packageVersion = (): string => {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
