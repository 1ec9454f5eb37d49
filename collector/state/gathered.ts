import { isStateUnavailable } from './unavailable.ts';

/** Parameters of a statement are counted in 16 bits; with a dozen a row this is far below. */
const mostAtOnce = 500;

/**
 * Questions that come while one is under way are asked together as the next: many small batches then
 * cost the state what a few large ones do, and a single one waits for nobody. `ask` answers each in the
 * order given. Where many fail together each is asked by itself, so that one cannot fail the others.
 */
export const gathered = <Q, A>(
  ask: (questions: readonly Q[]) => Promise<readonly A[]>,
): ((question: Q) => Promise<A>) => {
  type Waiting = { question: Q; answer: (answer: A) => void; fail: (error: unknown) => void };
  let waiting: Waiting[] = [];
  let isAsking = false;

  const askAll = async (some: readonly Waiting[]): Promise<void> => {
    try {
      const answers = await ask(some.map(({ question }) => question));
      for (const [index, { answer }] of some.entries()) answer(answers[index] as A);
    } catch (error) {
      if (some.length === 1 || isStateUnavailable(error)) for (const { fail } of some) fail(error);
      else for (const one of some) await askAll([one]);
    }
  };

  const askOn = async (): Promise<void> => {
    isAsking = true;
    while (waiting.length > 0) {
      const some = waiting.slice(0, mostAtOnce);
      waiting = waiting.slice(mostAtOnce);
      await askAll(some);
    }
    isAsking = false;
  };

  return (question) =>
    new Promise((answer, fail) => {
      waiting.push({ question, answer, fail });
      if (!isAsking) void askOn();
    });
};
