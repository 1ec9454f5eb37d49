/** Resolves with null after so long; keeps no program alive. */
export const after = (ms: number): Promise<null> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms, null).unref();
  });

/** Waits until it holds, looking again and again; false: the signal came first. */
export const holds = async (
  condition: () => boolean | Promise<boolean>,
  signal: AbortSignal,
  everyMs = 50,
): Promise<boolean> => {
  while (!signal.aborted) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return false;
};
