/** Does what it is given, `atOnce` at a time; undefined when already `mostWaiting` wait for their turn. */
export const createTurns = (parts: { atOnce: number; mostWaiting: number }) => {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    if (underWay < parts.atOnce) underWay += 1;
    else if (waiting.length >= parts.mostWaiting) return undefined;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The turn is handed on, or is free.
      const next = waiting.shift();
      if (next) next();
      else underWay -= 1;
    }
  };
};
