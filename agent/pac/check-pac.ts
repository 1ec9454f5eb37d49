import { fillPac, pacMistakes } from '#contract/pac.ts';
import type { Log } from '#runtime/log.ts';
import { createSandbox } from './sandbox.ts';
import { pacValues } from './values.ts';

/** What keeps a PAC file from being used: by its text, and by compiling it in a sandbox of its own. */
export const checkPac = async (text: string, log: Log): Promise<string[]> => {
  const mistakes = pacMistakes(text);
  if (mistakes.length > 0) return mistakes;
  const proxy = { host: '127.0.0.1', port: 9_339 };
  const values = pacValues({
    edges: [],
    ranking: [],
    network: undefined,
    proxy,
    isForBrowsers: true,
  });
  const sandbox = createSandbox({ log });
  try {
    const problem = await sandbox.compile({ text: fillPac(text, values), own: [] });
    return problem === undefined ? [] : [problem];
  } finally {
    await sandbox.stop();
  }
};
