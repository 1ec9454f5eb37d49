import { type Command, Option } from 'commander';
import type { DryRunPlatform } from '#agent/system-proxy/dry-run.ts';
import type { WantedProxy } from '#agent/system-proxy/platform.ts';
import { parseAuthority } from '#contract/authority.ts';
import { createLog } from '#runtime/log.ts';
import { UsageError } from './usage-error.ts';

type Options = {
  dryRun?: true;
  revert?: true;
  platform?: DryRunPlatform;
  setting: 'pac' | 'manual';
  proxy: string;
  state: string;
};

const platformNames = ['macos', 'windows', 'linux'] as const;

/** `whyslow agent system-proxy`: what the agent would do to the system's proxy settings, or its undoing. */
export const registerAgentSystemProxy = (agent: Command): void => {
  agent
    .command('system-proxy')
    .description('show the commands that set the system’s proxy, or give back what was before')
    .option('--dry-run', 'print the commands, run none')
    .option('--revert', 'give back the settings that were before the agent')
    .addOption(
      new Option('--platform <name>', 'with --dry-run: of another system').choices(platformNames),
    )
    .addOption(
      new Option('--setting <kind>', 'with --dry-run: as the agent’s config has it')
        .choices(['pac', 'manual'])
        .default('pac'),
    )
    .option('--proxy <host:port>', 'with --dry-run: where the agent listens', '127.0.0.1:9339')
    .option('--state <folder>', 'the agent’s state folder', '.whyslow/agent')
    .action(async (options: Options) => {
      if (options.dryRun === true) return printDryRun(options);
      if (options.revert !== true) {
        throw new UsageError(
          'the agent sets it by itself (systemProxy in its config): say --dry-run or --revert',
        );
      }
      const { createSystemProxy } = await import('#agent/system-proxy/system-proxy.ts');
      const log = createLog('agent', 'error');
      const proxy = createSystemProxy({ stateFolder: options.state, log });
      await proxy.want(undefined);
      const { state, problem } = proxy.status();
      if (state === 'failed') throw new UsageError(`not given back: ${problem}`);
      console.log('the system’s proxy settings are as they were before the agent');
    });
};

const printDryRun = async ({ platform, setting, proxy, revert }: Options): Promise<void> => {
  const { dryRun } = await import('#agent/system-proxy/dry-run.ts');
  const http = parseAuthority(proxy);
  if (http === undefined) throw new UsageError(`--proxy ${proxy}: expected host:port`);
  const wanted: WantedProxy =
    setting === 'pac'
      ? { kind: 'pac', url: `http://${proxy}/proxy.pac` }
      : { kind: 'manual', http, socks: { ...http, port: http.port + 1 } };
  console.log(dryRun(platform ?? here(), revert === true ? 'revert' : wanted));
};

const here = (): DryRunPlatform => {
  const names = { darwin: 'macos', win32: 'windows' } as const;
  return names[process.platform as keyof typeof names] ?? 'linux';
};
