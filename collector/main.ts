import { parseArgs } from 'node:util';
import { createLog } from '#runtime/log.ts';
import { runUntilSignal } from '#runtime/service.ts';
import { startCollector } from './collector.ts';
import { readCollectorConfig } from './config.ts';

/** `[--config FILE] [--log-level LEVEL] [--with-parent]` */
export const main = async (argv: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: argv,
    options: {
      config: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      'with-parent': { type: 'boolean', default: false },
    },
  });
  const config = readCollectorConfig(values.config);
  const log = createLog('collector', values['log-level'] as 'info');
  await runUntilSignal(() => startCollector(config, { log }), {
    log,
    withParent: values['with-parent'],
  });
};
