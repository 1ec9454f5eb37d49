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
