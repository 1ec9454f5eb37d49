import { parseArgs } from 'node:util';
import { createLog } from '#runtime/log.ts';
import { runUntilSignal } from '#runtime/service.ts';
import { startAgent } from './agent.ts';
import { readAgentConfig } from './config.ts';

/** `--config FILE [--log-level LEVEL] [--with-parent]` */
export const main = async (argv: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: argv,
    options: {
      config: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      'with-parent': { type: 'boolean', default: false },
    },
  });
  const config = readAgentConfig(values.config ?? 'agent.yaml');
  const log = createLog('agent', values['log-level'] as 'info');
  await runUntilSignal(() => startAgent(config, { log }), {
    log,
    withParent: values['with-parent'],
  });
};
