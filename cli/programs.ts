import { type Command, Option } from 'commander';
import { logLevels } from '#runtime/log.ts';
import { registerAgentEnforcement } from './agent-enforcement.ts';
import { registerAgentEnroll } from './agent-enroll.ts';
import { registerAgentRun } from './agent-run.ts';
import { registerAgentSystemProxy } from './agent-system-proxy.ts';
import { registerEdgePassword } from './edge-password.ts';
import { UsageError } from './usage-error.ts';

/**
 * The programs, each run by one subcommand. They are loaded only when asked for: an agent must not
 * load a database.
 */
export const registerPrograms = (program: Command): void => {
  const agent = program
    .command('agent')
    .description('run the agent of this device, or ask it how it is');
  agent
    .command('run', { isDefault: true })
    .description('run the agent until it is told to stop')
    .requiredOption('--config <file>', 'YAML file: see docs/agent.md')
    .option('--with-parent', 'stop when standard input ends')
    .addOption(logLevel())
    .action(async (options: ProgramOptions) => {
      const { main } = await import('#agent/main.ts');
      await main(toArguments(options));
    });
  agent
    .command('status')
    .description('what the agent on this device is doing, and why')
    .option('--state <folder>', 'its state folder', '.whyslow/agent')
    .option('--json', 'for a program to read')
    .action(async (options: { state: string; json?: boolean }) => {
      const { AgentNotRunning, readAnyStatus } = await import('#agent/status.ts');
      const { describeAgentStatus } = await import('#agent/status-text.ts');
      const status = await readAnyStatus(options.state).catch((error: unknown) => {
        throw error instanceof AgentNotRunning ? new UsageError(error.message) : error;
      });
      console.log(
        options.json === true ? JSON.stringify(status, null, 2) : describeAgentStatus(status),
      );
    });

  registerAgentRun(agent);
  registerAgentSystemProxy(agent);
  registerAgentEnroll(agent);
  registerAgentEnforcement(agent);

  const edge = program
    .command('edge')
    .description('run a service edge, or make a password for its clientless listener');
  edge
    .command('run', { isDefault: true })
    .description('run a service edge until it is told to stop')
    .requiredOption('--config <file>', 'YAML file: see docs/edge.md')
    .option('--with-parent', 'stop when standard input ends')
    .addOption(logLevel())
    .action(async (options: ProgramOptions) => {
      const { main } = await import('#edge/main.ts');
      await main(toArguments(options));
    });
  registerEdgePassword(edge);

  program
    .command('collector')
    .description('run the collector: control, ingest, store, diagnosis, pages, webhooks')
    .requiredOption('--config <file>', 'YAML file: see docs/collector.md')
    .option('--with-parent', 'stop when standard input ends')
    .addOption(logLevel())
    .action(async (options: ProgramOptions) => {
      const { main } = await import('#collector/main.ts');
      await main(toArguments(options));
    });
};

const logLevel = (): Option =>
  new Option('--log-level <level>', 'how much to log').choices(logLevels).default('info');

type ProgramOptions = { config: string; withParent?: boolean; logLevel: string };

const toArguments = ({ config, withParent, logLevel: level }: ProgramOptions): string[] => [
  ...['--config', config, '--log-level', level],
  ...(withParent === true ? ['--with-parent'] : []),
];
