import { type Command, InvalidArgumentError } from 'commander';
import { runUp, type UpOptions } from './run.ts';

export const registerUp = (program: Command): void => {
  program
    .command('up')
    .description(
      'run all of whyslow on this machine: collector, two edges, an agent, sample applications (npm start)',
    )
    .option('--state <folder>', 'where data and identities are kept', '.whyslow')
    .option('--fresh', 'delete what an earlier run kept, and begin anew')
    .option('--temporary', 'keep nothing: use a temporary folder and delete it at the end')
    .option(
      '--saas',
      'also watch the public SaaS applications of examples/saas.yaml (contacts public hosts)',
    )
    .option('--interval <seconds>', 'how often each sample application is probed', seconds, 5)
    .option('--port <port>', 'port of the triage pages', port, 8420)
    .option('--proxy-port <port>', 'port of the local proxy', port, 8118)
    .action((options: UpOptions) => runUp(options));
};

const seconds = (text: string): number => {
  const value = Number(text);
  if (!(value >= 1 && value <= 3_600)) throw new InvalidArgumentError('seconds, from 1 to 3600');
  return value;
};

const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new InvalidArgumentError('a port, from 1 to 65535');
  return value;
};
