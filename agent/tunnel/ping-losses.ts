import { medianOf } from './recent-times.ts';

/** Which of the last pings came late or not at all. */
export type PingLosses = {
  /** `ms` null: no answer in its time. */
  add(ms: number | null): void;
  /** Of the last so many. */
  count(): { lostCount: number; sentCount: number };
  clear(): void;
};

const lookedBack = 20;

/**
 * On TCP nothing is lost for good: a lost packet shows as an answer that comes one retransmission
 * late, which is 200 ms on top of the round trip at the least (RFC 6298; Linux's RTO_MIN).
 */
const retransmissionMs = 180;

export const createPingLosses = (): PingLosses => {
  let last: { ms: number | null }[] = [];
  return {
    add(ms) {
      last = [...last, { ms }].slice(-lookedBack);
    },
    count() {
      const answered = last.flatMap(({ ms }) => (ms === null ? [] : [ms]));
      const lowestMs = Math.min(...answered);
      const isLost = (ms: number | null) => ms === null || ms > lowestMs + retransmissionMs;
      return { lostCount: last.filter(({ ms }) => isLost(ms)).length, sentCount: last.length };
    },
    clear() {
      last = [];
    },
  };
};

/** A queue makes whole rows of answers late, and moves their middle; a loss is alone on a calm path. */
const lateInARow = 2;
const calmMs = 60;

export type LateAnswers = {
  add(ms: number): void;
  /** Answers since the last call that tell of a lost packet. */
  takeCount(): number;
};

/**
 * Packets lost below a session, by answers that came one retransmission late. At a ping a second such
 * an answer is in time, so that counting only what is missing would call a path that loses a tenth
 * whole.
 */
export const createLateAnswers = (): LateAnswers => {
  let last: number[] = [];
  let streak = 0;
  let count = 0;
  return {
    add(ms) {
      last = [...last, ms].slice(-lookedBack);
      const lowestMs = Math.min(...last);
      if (ms > lowestMs + retransmissionMs) {
        streak += 1;
        return;
      }
      const isCalm = (medianOf(last) ?? 0) < lowestMs + calmMs;
      if (streak <= lateInARow && isCalm) count += streak;
      streak = 0;
    },
    takeCount() {
      const taken = count;
      count = 0;
      return taken;
    },
  };
};
