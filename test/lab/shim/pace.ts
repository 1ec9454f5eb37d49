/** Nothing else need wake the thread; it looks whether it shall end. */
const longestWaitMs = 100;
/** How long whoever is busy sleeps before looking again. */
export const pauseMs = 0.05;
const freeWakesPerMs = 4;
const mostFreeWakes = 40;
/** More is no habit of the processor's but another's work. */
const mostLateMs = 0.1;

/**
 * When the timing thread sleeps, and how long.
 *
 * Waking costs far more than a packet does: at 20,000 packets a second 60 % of a core. So whoever
 * wakes more often than `freeWakesPerMs` is busy and pauses before the next time, and packets share
 * it (16 % of a core). What is due within half a pause goes early, as what comes in a pause was
 * there for half of it in the mean: the mean delay is right.
 *
 * A processor that sleeps takes its time to wake, in a virtual machine 50 µs and more, at every link
 * of a path. So sleeps are shorter by what earlier ones were too long, and the rest is waited awake;
 * time awake is paid for like wakes.
 */
export class Pace {
  #freeWakes = mostFreeWakes;
  #lateMs = 0;
  #sleptAtMs = 0;
  #waitMs = 0;
  #wokenAtMs: number;

  constructor(nowMs: number) {
    this.#wokenAtMs = nowMs;
  }

  get isBusy(): boolean {
    return this.#freeWakes < 1;
  }

  /** How long to wait for packets, where the next that waits is due then. */
  waitMs(nowMs: number, nextDueMs: number): number {
    this.#sleptAtMs = nowMs;
    this.#waitMs = Math.max(0, Math.min(longestWaitMs, nextDueMs - nowMs - this.#lateMs));
    return this.#waitMs;
  }

  /** The wait is over: by its time, or by a packet. */
  woke(nowMs: number, isByPacket: boolean): void {
    const sinceMs = nowMs - this.#wokenAtMs;
    const cost = this.isBusy || this.#waitMs > 0 ? 1 : sinceMs / pauseMs;
    this.#freeWakes = Math.min(mostFreeWakes, this.#freeWakes - cost + sinceMs * freeWakesPerMs);
    this.#wokenAtMs = nowMs;
    if (isByPacket || this.#waitMs === 0) return;
    const lateMs = Math.min(mostLateMs, nowMs - this.#sleptAtMs - this.#waitMs);
    this.#lateMs += (lateMs - this.#lateMs) / 16;
  }
}
