/** What a live trace's keys do: it is traced in turns, and a pause or a new beginning ends one. */
export type Turns = {
  /** Of the turn that begins now. */
  begin(): AbortSignal;
  /** False: the last turn came to its end by itself, or all is over. */
  goesOn(): Promise<boolean>;
  pauseOrGoOn(): void;
  anew(): void;
  isPaused(): boolean;
};

/** `ending` ends all of them; `onAnew` forgets what there is. */
export const createTurns = (ending: AbortSignal, onAnew: () => void): Turns => {
  let turn = new AbortController();
  let isPaused = false;
  let wake = (): void => {};
  ending.addEventListener('abort', () => {
    turn.abort();
    wake();
  });
  return {
    begin() {
      turn = new AbortController();
      if (ending.aborted) turn.abort();
      return turn.signal;
    },
    async goesOn() {
      const wasEnded = turn.signal.aborted;
      while (isPaused && !ending.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return wasEnded && !ending.aborted;
    },
    pauseOrGoOn() {
      isPaused = !isPaused;
      if (isPaused) turn.abort();
      else wake();
    },
    anew() {
      onAnew();
      turn.abort();
    },
    isPaused: () => isPaused,
  };
};
