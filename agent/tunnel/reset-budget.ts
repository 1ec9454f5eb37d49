export type ResetBudget = {
  spend(): void;
  isLow(): boolean;
  /** Streams that may be reset before it is empty. */
  left(): number;
};

const burst = 1_000;
const perMs = 33 / 1_000;

/**
 * nghttp2 ends a session that gets more than 1,000 RST_STREAMs, then 33 a second, and all its
 * flows with it (Node 20 cannot change the numbers). Sessions are given up before that.
 */
export const createResetBudget = (now = () => performance.now()): ResetBudget => {
  let left = burst;
  let filledAtMs = now();
  const fill = () => {
    left = Math.min(burst, left + (now() - filledAtMs) * perMs);
    filledAtMs = now();
  };
  return {
    spend() {
      fill();
      left -= 1;
    },
    isLow() {
      fill();
      return left < burst / 5;
    },
    left() {
      fill();
      return Math.max(0, Math.floor(left));
    },
  };
};
