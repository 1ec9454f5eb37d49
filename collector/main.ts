import { runProgram } from '#runtime/program.ts';
import { startCollector } from './collector.ts';
import { readCollectorConfig } from './config.ts';

export const main = (argv: readonly string[]): Promise<void> =>
  runProgram({
    name: 'collector',
    argv,
    readConfig: (path) => readCollectorConfig(path),
    start: startCollector,
  });
