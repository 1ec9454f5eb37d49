/**
 * Work of at most `atOnce` in weight runs, at most `waiting` pieces wait, the rest is turned away: a
 * burst costs time, never more memory than there is. A piece weighs 1 where nothing else is said.
 */
export const createTurns = (limits: { atOnce: number; waiting: number }) => {
  let running = 0;
  const queue: { weight: number; begin: () => void }[] = [];

  /** Whatever it weighs, a piece runs where nothing else does. */
  const fits = (weight: number): boolean => running === 0 || running + weight <= limits.atOnce;

  const enter = (weight: number): Promise<void> | undefined => {
    if (queue.length === 0 && fits(weight)) {
      running += weight;
      return Promise.resolve();
    }
    if (queue.length >= limits.waiting) return undefined;
    return new Promise((begin) => queue.push({ weight, begin }));
  };

  /** The place goes straight to the next in line; nobody overtakes. */
  const leave = (weight: number): void => {
    running -= weight;
    for (let next = queue[0]; next !== undefined && fits(next.weight); next = queue[0]) {
      queue.shift();
      running += next.weight;
      next.begin();
    }
  };

  /** The work's outcome, or `full` without having begun it. */
  return async <T>(work: () => Promise<T>, weight = 1): Promise<T | 'full'> => {
    const turn = enter(weight);
    if (!turn) return 'full';
    await turn;
    try {
      return await work();
    } finally {
      leave(weight);
    }
  };
};
