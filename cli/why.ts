import type { Command } from 'commander';
import type { Verdict } from '#contract/verdict.ts';
import { type ApiOptions, connectApi, withApiOptions } from './api.ts';
import { printable, printableJson } from './probe/lines.ts';

export const registerWhy = (program: Command): void => {
  withApiOptions(
    program
      .command('why')
      .description('the newest verdicts, worst first: why it is slow, in a sentence each')
      .argument('[application]', 'its id; all without it')
      .option('--device <id>', 'one device')
      .option('--exit-code', 'exit with 1 when a verdict is slow or failing')
      .option('--json', 'for a program to read'),
  ).action(async (application: string | undefined, options: ApiOptions & WhyOptions) => {
    const { items } = await connectApi(options).call<VerdictList>('GET', '/v1/verdicts');
    const chosen = items
      .map(({ verdict }) => verdict)
      .filter(({ appId }) => application === undefined || appId === application)
      .filter(({ deviceId }) => options.device === undefined || deviceId === options.device)
      .sort((a, b) => rank[a.state] - rank[b.state] || (b.addedMs ?? 0) - (a.addedMs ?? 0));
    console.log(options.json === true ? printableJson(chosen, 2) : printable(describe(chosen)));
    if (
      options.exitCode === true &&
      chosen.some(({ state }) => state === 'slow' || state === 'failing')
    )
      process.exitCode = 1;
  });
};

/** The API's answer: the newest verdict of each device and application. */
export type VerdictList = { items: { verdict: Verdict }[] };

type WhyOptions = { device?: string; exitCode?: boolean; json?: boolean };

const rank = { failing: 0, slow: 1, inconclusive: 2, ok: 3 } as const;

const describe = (verdicts: readonly Verdict[]): string =>
  verdicts.length === 0
    ? 'no verdict yet: it takes two results of a probe'
    : verdicts
        .map(({ state, sentence, action, confidence }) =>
          [
            `${state.toUpperCase().padEnd(12)} ${sentence}`,
            ...(state === 'ok'
              ? []
              : [`${' '.repeat(13)}${action} (confidence ${Math.round(confidence * 100)} %)`]),
          ].join('\n'),
        )
        .join('\n');
