import type { PageProblem } from '#contract/body/page-load.ts';
import { scrub } from '#probes/classify.ts';
import type { Redactor } from './redact.ts';

const maxProblems = 10;
const maxLength = 300;

/** The first of what a page complains about, each once; all are counted. */
export const createProblemLog = ({ start }: Pick<Redactor, 'start'>) => {
  const problems: PageProblem[] = [];
  let consoleCount = 0;
  const add = (kind: PageProblem['kind'], text: string): void => {
    if (problems.length === maxProblems) return;
    // A page may complain in megabytes.
    const clean = scrub(start(text, 2_000)).slice(0, maxLength);
    if (clean !== '' && !problems.some((one) => one.text === clean)) {
      problems.push({ kind, text: clean });
    }
  };
  return {
    onConsole(text: string): void {
      consoleCount += 1;
      // Chromium's own words for a failed request, which the network's events tell with its URL.
      if (!text.startsWith('Failed to load resource')) add('console', text);
    },
    onException(text: string): void {
      consoleCount += 1;
      add('exception', text);
    },
    consoleCount: (): number => consoleCount,
    /** Together with what the network's events told, half of it theirs where there is much of both. */
    withNetwork(network: readonly string[]): PageProblem[] {
      const own = problems.slice(0, Math.max(maxProblems / 2, maxProblems - network.length));
      const room = maxProblems - own.length;
      const failed = network
        .slice(0, room)
        .map((text): PageProblem => ({ kind: 'network', text: scrub(text).slice(0, maxLength) }));
      return [...own, ...failed];
    },
  };
};

export type ProblemLog = ReturnType<typeof createProblemLog>;
