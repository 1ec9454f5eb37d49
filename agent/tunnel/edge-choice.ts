/** What is known of one edge when the choice is made. */
export type Candidate = { id: string; isUp: boolean; rttMs: number | null };

/** What the choice remembers from one round to the next. */
export type ChoiceState = {
  edgeId: string | null;
  /** Monotonic; -Infinity before the first choice. */
  switchedAtMs: number;
  /** An edge that has been better than the chosen one, and for how many rounds in a row. */
  better: { edgeId: string; roundCount: number } | null;
  /** Edges not measured when the first choice was made; empty after any other. */
  unheard: readonly string[];
};

export type Choice = { state: ChoiceState; reason: string | null };

export const noChoice: ChoiceState = {
  edgeId: null,
  switchedAtMs: Number.NEGATIVE_INFINITY,
  better: null,
  unheard: [],
};

const betterByRatio = 0.2;
const betterByMs = 10;
const betterRounds = 3;
const restMs = 5 * 60_000;

/**
 * Chooses the edge. Losing the chosen one switches at once; a better one must be better by 20 % and
 * 10 ms for three rounds, and the last switch five minutes ago: each switch moves a user to another
 * way out, which applications see. An edge that had not been measured at the very first choice need not wait
 * for that when it proves better. A pinned edge is taken whenever it is up, whatever the round
 * trips; while it is down the fastest serves.
 */
export const chooseEdge = (
  state: ChoiceState,
  candidates: readonly Candidate[],
  pinnedEdge: string,
  nowMs: number,
): Choice => {
  const up = candidates.filter(({ isUp }) => isUp);
  const current = up.find(({ id }) => id === state.edgeId);
  const pinned = up.find(({ id }) => id === pinnedEdge);
  const best = fastest(up);
  const unmeasured = candidates.filter(({ rttMs }) => rttMs === null).map(({ id }) => id);
  const moveTo = (edgeId: string, reason: string): Choice => ({
    state: {
      edgeId,
      switchedAtMs: nowMs,
      better: null,
      unheard: state === noChoice ? unmeasured : [],
    },
    reason,
  });

  if (pinned)
    return pinned.id === state.edgeId ? stay(state) : moveTo(pinned.id, 'pinned by policy');
  if (!best) return { state: { ...state, edgeId: null, better: null }, reason: null };
  if (!current) {
    const lost = state.edgeId === null ? '' : `edge ${state.edgeId} lost; `;
    return moveTo(best.id, `${lost}fastest of ${up.length} (${describeRtt(best)})`);
  }
  if (!isClearlyBetter(best, current)) return stay(state);
  const roundCount = state.better?.edgeId === best.id ? state.better.roundCount + 1 : 1;
  const hasRested = nowMs - state.switchedAtMs >= restMs || state.unheard.includes(best.id);
  if (roundCount >= betterRounds && hasRested) {
    return moveTo(best.id, `faster: ${describeRtt(best)} against ${describeRtt(current)}`);
  }
  return { state: { ...state, better: { edgeId: best.id, roundCount } }, reason: null };
};

const stay = (state: ChoiceState): Choice => ({ state: { ...state, better: null }, reason: null });

const fastest = (up: readonly Candidate[]): Candidate | undefined =>
  [...up].sort(
    (a, b) => (a.rttMs ?? Number.POSITIVE_INFINITY) - (b.rttMs ?? Number.POSITIVE_INFINITY),
  )[0];

const isClearlyBetter = (other: Candidate, current: Candidate): boolean => {
  if (other.id === current.id || other.rttMs === null || current.rttMs === null) return false;
  return current.rttMs - other.rttMs >= Math.max(current.rttMs * betterByRatio, betterByMs);
};

const describeRtt = ({ rttMs }: Candidate): string =>
  rttMs === null ? 'round trip not known' : `${rttMs.toFixed(1)} ms`;
