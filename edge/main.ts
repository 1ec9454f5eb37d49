import { runProgram } from '#runtime/program.ts';
import { readEdgeConfig } from './config.ts';
import { startEdge } from './edge.ts';

export const main = (argv: readonly string[]): Promise<void> =>
  runProgram({
    name: 'edge',
    argv,
    readConfig: (path) => readEdgeConfig(path ?? 'edge.yaml'),
    start: startEdge,
  });
