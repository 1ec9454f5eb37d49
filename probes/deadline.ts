import type { CutShort } from './classify.ts';
import { Stop, type StopSignal } from './stop-signal.ts';

/**
 * One signal for a run: the probe's own timeout and the caller's signal, with the word for which of
 * them ended it. The caller's signal may itself be a timer of the same length, so an end at or after
 * the deadline is a time-out whoever rang first.
 */
export const startDeadline = (outer: AbortSignal, timeoutMs: number): Deadline =>
  new RunDeadline(outer, timeoutMs);

export type Deadline = {
  /** For what takes nothing less; made when it is asked for. */
  readonly signal: AbortSignal;
  readonly stopSignal: StopSignal;
  /** Undefined while the run may go on. */
  readonly cutShort: () => CutShort | undefined;
  readonly stop: () => void;
};

/** A class, because a run makes one: methods are made once, closures every time. */
class RunDeadline implements Deadline {
  readonly stopSignal = new Stop();
  readonly #startedMs = performance.now();
  readonly #outer: AbortSignal;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #controller: AbortController | undefined;
  #cutShort: CutShort | undefined;

  constructor(outer: AbortSignal, timeoutMs: number) {
    this.#outer = outer;
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(endDeadline, timeoutMs, this);
    outer.addEventListener('abort', this);
    if (outer.aborted) this.end();
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cutShort !== undefined) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Of the caller's signal (the EventListener interface). */
  handleEvent(): void {
    this.end();
  }

  end(): void {
    if (this.#cutShort !== undefined) return;
    const late = performance.now() - this.#startedMs >= this.#timeoutMs - timerEarlinessMs;
    this.#cutShort = late || isTimeout(this.#outer) ? 'timed-out' : 'abandoned';
    this.#controller?.abort();
    this.stopSignal.give();
  }

  // Bound, as they are handed on alone.
  readonly cutShort = (): CutShort | undefined => this.#cutShort;

  readonly stop = (): void => {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this);
  };
}

const endDeadline = (deadline: RunDeadline): void => deadline.end();

/** Node rounds timers to whole milliseconds and may fire one early. */
const timerEarlinessMs = 2;

const isTimeout = (signal: AbortSignal): boolean =>
  signal.aborted && signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
