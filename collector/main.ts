import { runProgram } from '#runtime/program.ts';
import { startCollector } from './collector.ts';
import { readCollectorConfig } from './config.ts';

export const main = (argv: readonly string[]): Promise<void> => {
  // The engines make files of their own, again and again: all of them for this user only.
  process.umask(0o077);
  return runProgram({
    name: 'collector',
    argv,
    readConfig: (path) => readCollectorConfig(path),
    start: startCollector,
  });
};
