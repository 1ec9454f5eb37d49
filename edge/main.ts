import { parseArgs } from 'node:util';
import { createLog } from '#runtime/log.ts';
import { runUntilSignal } from '#runtime/service.ts';
import { readEdgeConfig } from './config.ts';
import { startEdge } from './edge.ts';

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
  const config = readEdgeConfig(values.config ?? 'edge.yaml');
  const log = createLog('edge', values['log-level'] as 'info');
  await runUntilSignal(() => startEdge(config, { log }), {
    log,
    withParent: values['with-parent'],
  });
};
