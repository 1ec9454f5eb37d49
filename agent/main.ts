import { runProgram } from '#runtime/program.ts';
import { startAgent } from './agent.ts';
import { readAgentConfig } from './config.ts';

export const main = (argv: readonly string[]): Promise<void> =>
  runProgram({
    name: 'agent',
    argv,
    readConfig: (path) => readAgentConfig(path ?? 'agent.yaml'),
    start: startAgent,
  });
