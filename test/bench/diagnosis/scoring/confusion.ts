import type { Judged } from './judge.ts';
import { weightsOf } from './summary.ts';

/** What was said of faults of one kind, as shares of their tickets (each fault counts once). */
export type KindScore = {
  kind: string;
  faultCount: number;
  ticketCount: number;
  segment: number;
  element: number;
  missed: number;
  unknown: number;
  /** Families that were named and wrong, most often first. */
  wrongly: readonly { family: string; share: number }[];
};

export const byKind = (judged: readonly Judged[]): KindScore[] => {
  const kinds = [...new Set(judged.map(({ ticket }) => ticket.fault.kind))].sort();
  return kinds.map((kind) => {
    const own = judged.filter(({ ticket }) => ticket.fault.kind === kind);
    const weights = weightsOf(own);
    const faultCount = weights.size;
    const share = (of: (one: Judged) => boolean): number =>
      (100 * own.filter(of).reduce((sum, one) => sum + (weights.get(one.ticket.fault) ?? 0), 0)) /
      faultCount;
    const families = new Set(own.filter(isWrong).map(familyOf));
    return {
      kind,
      faultCount,
      ticketCount: own.length,
      segment: share(({ outcome }) => outcome === 'right'),
      element: share((one) => one.outcome === 'right' && one.isElementRight),
      missed: share(({ outcome }) => outcome === 'missed'),
      unknown: share(({ outcome }) => outcome === 'unknown'),
      wrongly: [...families]
        .map((family) => ({
          family,
          share: share((one) => isWrong(one) && familyOf(one) === family),
        }))
        .sort((a, b) => b.share - a.share),
    };
  });
};

/** True family × said family, in tickets; what was not named stands as `unknown` and `missed`. */
export const confusionOf = (judged: readonly Judged[]) => {
  const counts = new Map<string, Map<string, number>>();
  for (const one of judged) {
    const said =
      one.outcome === 'missed' || one.outcome === 'unknown' ? one.outcome : familyOf(one);
    // A right name that is another word for the same thing stands on the diagonal.
    const column = one.outcome === 'right' ? one.ticket.fault.family : said;
    const row = counts.get(one.ticket.fault.family) ?? new Map<string, number>();
    counts.set(one.ticket.fault.family, row);
    row.set(column, (row.get(column) ?? 0) + 1);
  }
  return counts;
};

const isWrong = ({ outcome }: Judged): boolean => outcome === 'wrong';
const familyOf = ({ finding }: Judged): string => finding?.causes[0]?.family ?? 'none';
