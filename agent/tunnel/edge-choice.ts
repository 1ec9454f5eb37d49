/** What is known of one edge when the choice is made. */
export type Candidate = {
  id: string;
  isUp: boolean;
  rttMs: number | null;
  /** Of the last pings; left out: none lost. */
  lostCount?: number;
  sentCount?: number;
};

/** What the choice remembers from one round to the next. */
export type ChoiceState = {
  edgeId: string | null;
  /** Monotonic; -Infinity before the first choice. */
  switchedAtMs: number;
  /** An edge that has been better than the chosen one, and for how many rounds in a row. */
  better: { edgeId: string; roundCount: number } | null;
  /** Edges not measured when the first choice was made; empty after any other. */
  unheard: readonly string[];
  /** The edge is the very first choice, by round trips. */
  isFirst: boolean;
};

export type Choice = { state: ChoiceState; reason: string | null };

export const noChoice: ChoiceState = {
  edgeId: null,
  switchedAtMs: Number.NEGATIVE_INFINITY,
  better: null,
  unheard: [],
  isFirst: false,
};

const betterByRatio = 0.2;
const betterByMs = 10;
const betterRounds = 3;
const restMs = 5 * 60_000;
/** The first choice rests on a ping or two, made while everything starts: so long it may be corrected. */
const correctWithinMs = 60_000;
/** Of the last 20 pings. Few: one retransmission now and then is how networks are. */
const lossyCount = 5;
const cleanCount = 1;
/** Two edges behind one bad link must not have the device between them. */
const lossRestMs = 30_000;

/**
 * Chooses the edge. Losing the chosen one switches at once; a better one must be better by 20 % and
 * 10 ms for three rounds, and the last switch five minutes ago: each switch moves a user to another
 * way out, which applications see. An edge that had not been measured at the very first choice need not wait
 * for that when it proves better, nor any other within the first minute. An edge that loses pings is left at once for one that loses none,
 * and is not gone back to before it loses none itself. A pinned edge is taken whenever it is up, whatever the round
 * trips; while it is down the fastest serves.
 */
export const chooseEdge = (
  state: ChoiceState,
  candidates: readonly Candidate[],
  pinnedEdge: string,
  nowMs: number,
  /** Asked for the first time in this round: what must last for rounds is counted. */
  isRound = true,
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
      unheard: isNone(state) ? unmeasured : [],
      isFirst: isNone(state) && edgeId !== pinnedEdge,
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
  const clean = fastest(up.filter((other) => other.id !== current.id && isClean(other)));
  if (isLossy(current) && clean && nowMs - state.switchedAtMs >= lossRestMs) {
    return moveTo(clean.id, `loss: ${describeLoss(current)}, ${describeLoss(clean)}`);
  }
  if (!isRound) return { state, reason: null };
  if (!isClearlyBetter(best, current)) return stay(state);
  const roundCount = state.better?.edgeId === best.id ? state.better.roundCount + 1 : 1;
  const agoMs = nowMs - state.switchedAtMs;
  const isHasty = state.unheard.includes(best.id) || (state.isFirst && agoMs < correctWithinMs);
  if (roundCount >= betterRounds && (isHasty || agoMs >= restMs)) {
    return moveTo(best.id, `faster: ${describeRtt(best)} against ${describeRtt(current)}`);
  }
  return { state: { ...state, better: { edgeId: best.id, roundCount } }, reason: null };
};

/** Rounds in which no edge was up come before it. */
const isNone = (state: ChoiceState): boolean => state.switchedAtMs === Number.NEGATIVE_INFINITY;

const stay = (state: ChoiceState): Choice => ({ state: { ...state, better: null }, reason: null });

/** An edge that is clearly faster than the one in use, whatever keeps the device from it. */
export const gainOf = (
  candidates: readonly Candidate[],
  currentId: string | null,
): { edgeId: string; gainMs: number } | null => {
  const up = candidates.filter(({ isUp }) => isUp);
  const current = up.find(({ id }) => id === currentId);
  const best = fastest(up);
  if (!current || !best || !isClearlyBetter(best, current)) return null;
  return { edgeId: best.id, gainMs: (current.rttMs ?? 0) - (best.rttMs ?? 0) };
};

/** Of those that lose none or little, where there is one. */
const fastest = (up: readonly Candidate[]): Candidate | undefined =>
  [...up].sort(
    (a, b) =>
      Number(isLossy(a)) - Number(isLossy(b)) ||
      (a.rttMs ?? Number.POSITIVE_INFINITY) - (b.rttMs ?? Number.POSITIVE_INFINITY),
  )[0];

const isLossy = ({ lostCount = 0 }: Candidate): boolean => lostCount >= lossyCount;
const isClean = ({ lostCount = 0, rttMs }: Candidate): boolean =>
  lostCount <= cleanCount && rttMs !== null;

const isClearlyBetter = (other: Candidate, current: Candidate): boolean => {
  if (other.id === current.id || other.rttMs === null || current.rttMs === null) return false;
  if (!isClean(other)) return false;
  return current.rttMs - other.rttMs >= Math.max(current.rttMs * betterByRatio, betterByMs);
};

const describeRtt = ({ rttMs }: Candidate): string =>
  rttMs === null ? 'round trip not known' : `${rttMs.toFixed(1)} ms`;

const describeLoss = ({ id, lostCount = 0, sentCount = 0 }: Candidate): string =>
  `${lostCount} of ${sentCount} pings on ${id}`;
