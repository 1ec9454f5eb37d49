/**
 * At most `atOnce` pieces of work run, at most `waiting` wait, the rest is turned away: a burst
 * costs time, never more memory than there is.
 */
export const createTurns = (limits: { atOnce: number; waiting: number }) => {
  let running = 0;
  const queue: (() => void)[] = [];

  const enter = (): Promise<void> | undefined => {
    if (running < limits.atOnce) {
      running += 1;
      return Promise.resolve();
    }
    if (queue.length >= limits.waiting) return undefined;
    return new Promise((resolve) => queue.push(resolve));
  };

  /** The place goes straight to the next in line; nobody overtakes. */
  const leave = (): void => {
    const next = queue.shift();
    if (next) next();
    else running -= 1;
  };

  /** The work's outcome, or `full` without having begun it. */
  return async <T>(work: () => Promise<T>): Promise<T | 'full'> => {
    const turn = enter();
    if (!turn) return 'full';
    await turn;
    try {
      return await work();
    } finally {
      leave();
    }
  };
};
