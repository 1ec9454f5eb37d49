import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { ConfigError } from '#runtime/config.ts';
import { UsageError } from './usage-error.ts';

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

  for (const register of await registrations(argv[2])) register(program);

  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
};

type Register = (program: Command) => void;

/** Each part of the command by the names it registers, in the order of `--help`. */
const parts: { names: readonly string[]; load: () => Promise<Register> }[] = [
  { names: ['up'], load: async () => (await import('./up/up.ts')).registerUp },
  { names: ['why'], load: async () => (await import('./why.ts')).registerWhy },
  { names: ['explain'], load: async () => (await import('./explain.ts')).registerExplain },
  { names: ['probe'], load: async () => (await import('./probe.ts')).registerProbe },
  { names: ['run'], load: async () => (await import('./run.ts')).registerRun },
  { names: ['trace'], load: async () => (await import('./trace.ts')).registerTrace },
  { names: ['diagnose'], load: async () => (await import('./diagnose.ts')).registerDiagnose },
  { names: ['apply'], load: async () => (await import('./apply.ts')).registerApply },
  { names: ['plan'], load: async () => (await import('./plan-cardinality.ts')).registerPlan },
  { names: ['token'], load: async () => (await import('./token.ts')).registerToken },
  { names: ['device'], load: async () => (await import('./device.ts')).registerDevice },
  {
    names: ['backup', 'restore'],
    load: async () => (await import('./backup.ts')).registerBackup,
  },
  {
    names: ['agent', 'edge', 'collector'],
    load: async () => (await import('./programs.ts')).registerPrograms,
  },
];

/** Of the command that is called only its own part, which spares two thirds of the start; else all. */
const registrations = async (called: string | undefined): Promise<Register[]> => {
  if (called === '-V' || called === '--version') return [];
  const own = parts.filter(({ names }) => names.some((name) => name === called));
  return Promise.all((own.length > 0 ? own : parts).map(({ load }) => load()));
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
