import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { tokenPattern } from '#contract/enrollment.ts';
import { UsageError } from './usage-error.ts';

const waitSeconds = 30;

/** `whyslow agent enroll TOKEN`: a new identity for this device, also after it was removed. */
export const registerAgentEnroll = (agent: Command): void => {
  agent
    .command('enroll')
    .description('have the agent on this machine enrol anew with a token of `whyslow token`')
    .argument('<token>', 'wse1.…; - reads it from standard input')
    .option('--state <folder>', 'its state folder', '.whyslow/agent')
    .action(async (given: string, options: { state: string }) => {
      const token = given === '-' ? await readInput() : given;
      if (!new RegExp(tokenPattern).test(token)) {
        throw new UsageError('that is no token: one word, wse1.… with four parts');
      }
      const { leaveNewToken } = await import('#agent/new-token.ts');
      const before = await idOf(options.state);
      await leaveNewToken(options.state, token).catch((error: Error) => {
        throw new UsageError(`cannot leave the token in ${options.state}: ${error.message}`);
      });
      if (before === undefined) {
        console.log('No agent runs: it enrols with this token when it is started.');
        return;
      }
      const now = await waitForAnother(options.state, before);
      if (now === undefined) {
        console.error(`Not enrolled within ${waitSeconds} s: its log says why.`);
        process.exitCode = 1;
      } else console.log(`Enrolled as device ${now}.`);
    });
};

const readInput = async (): Promise<string> => {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk as string;
  return text.trim();
};

/** Null: it is not enrolled; undefined: no agent answers. */
const idOf = async (state: string): Promise<string | null | undefined> => {
  const { readAnyStatus } = await import('#agent/status.ts');
  return readAnyStatus(state).then(
    ({ device }) => device.id,
    () => undefined,
  );
};

const waitForAnother = async (
  state: string,
  before: string | null,
): Promise<string | undefined> => {
  for (let seconds = 0; seconds < waitSeconds; seconds += 0.5) {
    await setTimeout(500);
    const id = await idOf(state);
    if (typeof id === 'string' && id !== before) return id;
  }
  return undefined;
};
