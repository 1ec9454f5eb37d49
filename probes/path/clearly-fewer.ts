export type Share = { answered: number; sent: number };

/**
 * How likely it is that `one` has so few answers or fewer where both are answered alike: Fisher's
 * exact test, one-sided (hypergeometric).
 */
export const chanceOfSoFew = (one: Share, other: Share): number => {
  const answered = one.answered + other.answered;
  const sent = one.sent + other.sent;
  const least = Math.max(0, answered - other.sent);
  let term = Math.exp(
    lnChoose(one.sent, one.answered) +
      lnChoose(other.sent, other.answered) -
      lnChoose(sent, answered),
  );
  let sum = 0;
  for (let count = one.answered; count >= least; count -= 1) {
    sum += term;
    if (term < sum * 1e-9) break;
    // P(count − 1) from P(count).
    term *=
      (count * (other.sent - answered + count)) / ((one.sent - count + 1) * (answered - count + 1));
  }
  return Math.min(1, sum);
};

/** Below this chance it is none. Shared by all comparisons of a hop: the longer the way, the more. */
const mostChance = 0.01;

/** Whether `one` is answered less than one of the others, beyond what chance makes of few packets. */
export const isClearlyFewer = (one: Share, others: readonly Share[]): boolean =>
  others.some(
    (other) =>
      one.answered * other.sent < other.answered * one.sent &&
      chanceOfSoFew(one, other) < mostChance / others.length,
  );

const lnChoose = (of: number, chosen: number): number =>
  lnFactorial(of) - lnFactorial(chosen) - lnFactorial(of - chosen);

/** Stirling's series: within 0.1 % of the factorial for 1, and closer for all others. */
const lnFactorial = (n: number): number =>
  n === 0
    ? 0
    : n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n) - 1 / (360 * n ** 3);
