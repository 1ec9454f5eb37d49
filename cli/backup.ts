import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { environment } from '#runtime/config.ts';
import { type ApiOptions, withApiOptions } from './api.ts';
import { UsageError } from './usage-error.ts';

type Passphrase = { passphraseFile?: string };

/** The engines are loaded only when asked for. */
export const registerBackup = (program: Command): void => {
  withApiOptions(
    program
      .command('backup')
      .description('everything a collector knows but the series, into one file; it may run on')
      .requiredOption('--config <file>', 'the collector’s: see docs/deployment.md')
      .requiredOption('--to <file>', 'a file that is not there yet, or - for standard output')
      .option('--passphrase-file <file>', 'encrypt with what its first line says'),
  ).action(async (options: ApiOptions & Passphrase & { config: string; to: string }) => {
    const { backUp } = await import('#collector/backup/commands.ts');
    const { readCollectorConfig } = await import('#collector/config.ts');
    const { collector: url, token = environment('WHYSLOW_TOKEN') } = options;
    await backUp({
      config: readCollectorConfig(options.config),
      to: options.to === '-' ? process.stdout : options.to,
      passphrase: passphraseOf(options),
      running: url === undefined || token === undefined ? undefined : { url, token },
    });
  });

  program
    .command('restore')
    .description('make a collector’s state what a back-up says; no collector may run on it')
    .requiredOption('--config <file>', 'of the collector that is to go on with it')
    .requiredOption('--from <file>', 'a file of `whyslow backup`, or - for standard input')
    .option('--replace', 'also where there is a state already, which is then gone')
    .option('--passphrase-file <file>', 'what it was encrypted with')
    .action(async (options: Passphrase & { config: string; from: string; replace?: boolean }) => {
      const { restore } = await import('#collector/backup/commands.ts');
      const { readCollectorConfig } = await import('#collector/config.ts');
      if (options.from !== '-' && !existsSync(options.from)) {
        throw new UsageError(`--from ${options.from}: there is no such file`);
      }
      const { counts, createdAt } = await restore({
        config: readCollectorConfig(options.config),
        from: options.from === '-' ? process.stdin : options.from,
        passphrase: passphraseOf(options),
        replace: options.replace === true,
      });
      const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
      const of = new Date(createdAt).toISOString();
      console.error(`restored ${rows} rows of ${Object.keys(counts).length} tables, as of ${of}`);
    });
};

const passphraseOf = ({ passphraseFile }: Passphrase): string | undefined => {
  if (passphraseFile === undefined) return undefined;
  if (!existsSync(passphraseFile)) {
    throw new UsageError(`--passphrase-file ${passphraseFile}: there is no such file`);
  }
  const [first = ''] = readFileSync(passphraseFile, 'utf8').split('\n');
  if (first.trim().length < 12) {
    throw new UsageError(`--passphrase-file ${passphraseFile}: at least 12 characters`);
  }
  return first.trim();
};
