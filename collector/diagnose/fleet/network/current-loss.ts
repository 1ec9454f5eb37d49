import type { LossCount } from '../bin-view.ts';

type Count = { sent: number; lost: number };

/** Log odds, in nats, from which on what is lost lately is another share than before: 1 in 100 by chance. */
const changedNats = 4;

/** Half of the window where nobody counted. */
export const recentSentOf = ({ sent, recentSent }: LossCount): number => recentSent ?? sent / 2;

/**
 * What is lost now. The window is long, since losses are few; where its newest part differs from the
 * rest more than chance allows, a fault has begun or ended in between and only that part counts.
 */
export const currentLoss = (loss: LossCount): LossCount => {
  if (loss.recentSent === undefined) return loss;
  const recent = { sent: loss.recentSent, lost: loss.recentLost };
  const former = { sent: loss.sent - recent.sent, lost: loss.lost - recent.lost };
  if (recent.sent <= 0 || former.sent <= 0 || former.lost < 0) return loss;
  return nats(recent, former) > changedNats ? { ...loss, ...recent } : loss;
};

/** By how much two shares explain two counts better than one. */
export const nats = (a: Count, b: Count): number =>
  logLikelihood(a) +
  logLikelihood(b) -
  logLikelihood({ sent: a.sent + b.sent, lost: a.lost + b.lost });

const logLikelihood = ({ sent, lost }: Count): number => {
  if (sent <= 0) return 0;
  const ratio = Math.min(1, Math.max(0, lost / sent));
  const term = (count: number, share: number) => (count <= 0 ? 0 : count * Math.log(share));
  return term(lost, ratio) + term(sent - lost, 1 - ratio);
};
