import type { Command } from 'commander';
import { check, explain } from '#contract/check.ts';
import { Organisation } from '#contract/organisation.ts';
import { ConfigError, readConfigFile } from '#runtime/config.ts';
import { type ApiOptions, connectApi, withApiOptions } from './api.ts';

export type ApplyAnswer = {
  version: number;
  changed: boolean;
  dryRun: boolean;
  changes: { pointer: string; change: 'added' | 'removed' | 'changed' }[];
};

export const registerApply = (program: Command): void => {
  withApiOptions(
    program
      .command('apply')
      .description(
        'make a file the organisation’s configuration: applications, probes, policy, webhooks',
      )
      .argument('<file>', 'YAML or JSON: see examples/')
      .option('--dry-run', 'say what would change, change nothing'),
  ).action(async (file: string, options: ApiOptions & { dryRun?: boolean }) => {
    const organisation = readOrganisation(file);
    const answer = await applyOrganisation(
      connectApi(options),
      organisation,
      options.dryRun === true,
    );
    console.log(describe(answer));
  });
};

/** Reads and checks a configuration file; throws ConfigError naming each wrong field. */
export const readOrganisation = (file: string): Organisation => {
  const checked = check(Organisation, readConfigFile(file));
  if (!checked.ok)
    throw new ConfigError(`${file} is not a whyslow configuration:\n${explain(checked.mistakes)}`);
  return checked.value;
};

export const applyOrganisation = (
  api: ReturnType<typeof connectApi>,
  organisation: Organisation,
  dryRun: boolean,
): Promise<ApplyAnswer> =>
  api.call<ApplyAnswer>('PUT', `/v1/organisation${dryRun ? '?dry-run=1' : ''}`, organisation);

const describe = ({ version, dryRun, changed, changes }: ApplyAnswer): string => {
  if (!changed) return `nothing to change: version ${version} says the same`;
  const marks = { added: '+', removed: '-', changed: '~' } as const;
  return [
    dryRun ? 'would change:' : `applied as version ${version}:`,
    ...changes.map(({ change, pointer }) => `  ${marks[change]} ${pointer}`),
  ].join('\n');
};
