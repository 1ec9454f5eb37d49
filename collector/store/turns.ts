/** Lets at most `limit` pieces of work run at once, in the order in which they came. */
export const createTurns = (limit: number) => {
  const waiting: (() => void)[] = [];
  const running = new Set<Promise<unknown>>();
  let free = limit;

  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resume) => waiting.push(resume));
    try {
      return await work();
    } finally {
      // A waiting one takes over this place; otherwise it becomes free.
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };

  return {
    take<T>(work: () => Promise<T>): Promise<T> {
      const done = take(work);
      const tracked = done.then(
        () => undefined,
        () => undefined,
      );
      running.add(tracked);
      void tracked.finally(() => running.delete(tracked));
      return done;
    },
    /** When everything taken on until now has ended. */
    async settled(): Promise<void> {
      await Promise.all(running);
    },
  };
};
