import type { Command } from 'commander';
import { check, explain, type Mistake } from '#contract/check.ts';
import { knownNames } from '#contract/known-names.ts';
import { Organisation } from '#contract/organisation.ts';
import { ConfigError, readConfigFile } from '#runtime/config.ts';
import { silentLog } from '#runtime/log.ts';
import { type Api, type ApiOptions, connectApi, withApiOptions } from './api.ts';

export type ApplyAnswer = {
  version: number;
  changed: boolean;
  /** Without `before` it is new, without `after` it is gone. */
  changes: { pointer: string; before?: unknown; after?: unknown }[];
};

export const registerApply = (program: Command): void => {
  withApiOptions(
    program
      .command('apply')
      .description(
        'make a file the whole configuration of the organisation: what it does not name is removed (see --dry-run)',
      )
      .argument('<file>', 'YAML or JSON: see examples/')
      .option('--dry-run', 'say what would change, change nothing'),
  ).action(async (file: string, options: ApiOptions & { dryRun?: boolean }) => {
    const organisation = readOrganisation(file);
    await compilePacFiles(file, organisation);
    const api = connectApi(options);
    const answer = await applyOrganisation(api, organisation, options.dryRun === true);
    console.log(describe(answer, options.dryRun === true));
    await warnOfPinnedEdge(api, organisation);
  });
};

/** Reads and checks a configuration file; throws ConfigError naming each wrong field. */
export const readOrganisation = (file: string): Organisation => {
  const checked = check(Organisation, readConfigFile(file));
  if (!checked.ok)
    throw new ConfigError(`${file} is not a whyslow configuration:\n${explain(checked.mistakes)}`);
  return checked.value;
};

/** The collector runs no scripts: that a PAC file compiles is seen here, before agents get it. */
export const compilePacFiles = async (
  file: string,
  { forwarding: { pac = {} } = {} }: Organisation,
): Promise<void> => {
  const { checkPac } = await import('#agent/pac/check-pac.ts');
  const mistakes: Mistake[] = [];
  for (const name of ['forwarding', 'application'] as const) {
    const text = pac[name];
    const found = text === undefined ? [] : await checkPac(text, silentLog());
    mistakes.push(...found.map((message) => ({ pointer: `/forwarding/pac/${name}`, message })));
  }
  if (mistakes.length === 0) return;
  throw new ConfigError(`${file} has a PAC file that cannot be used:\n${explain(mistakes)}`);
};

export const applyOrganisation = (
  api: ReturnType<typeof connectApi>,
  organisation: Organisation,
  dryRun: boolean,
): Promise<ApplyAnswer> =>
  api.call<ApplyAnswer>('PUT', `/v1/organisation${dryRun ? '?dry-run=1' : ''}`, organisation);

/** No mistake: the edge may enrol later. Where others did, it is likely misspelt. */
const warnOfPinnedEdge = async (api: Api, { forwarding }: Organisation): Promise<void> => {
  const pinned = forwarding?.pinnedEdge ?? '';
  if (pinned === '') return;
  const { items } = await api.call<{ items: { id: string; revokedAt: number | null }[] }>(
    'GET',
    '/v1/edges',
  );
  const known = items.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id);
  if (known.length === 0 || known.includes(pinned)) return;
  console.error(
    `warning: /forwarding/pinnedEdge: no edge is called ${pinned}${knownNames(known)}; until it enrols devices use the fastest`,
  );
};

const describe = ({ version, changed, changes }: ApplyAnswer, dryRun: boolean): string => {
  if (!changed) return `nothing to change: version ${version} says the same`;
  const mark = ({ before, after }: ApplyAnswer['changes'][number]) =>
    before === undefined ? '+' : after === undefined ? '-' : '~';
  return [
    dryRun ? 'would change:' : `applied as version ${version}:`,
    ...changes.map((change) => `  ${mark(change)} ${change.pointer}`),
  ].join('\n');
};
