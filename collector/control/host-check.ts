import type { Mistake } from '#contract/check.ts';
import { hostPatternMistake } from '#contract/host-pattern.ts';

/** What is wrong with each of a list of host patterns. */
export const checkHosts = (
  patterns: readonly string[] | undefined,
  pointer: string,
  mistakeOf: (text: string) => string | undefined = hostPatternMistake,
): Mistake[] =>
  (patterns ?? []).flatMap((text, index) => {
    const mistake = mistakeOf(text);
    if (mistake === undefined) return [];
    return [{ pointer: `${pointer}/${index}`, message: `“${text}”: ${mistake}` }];
  });
