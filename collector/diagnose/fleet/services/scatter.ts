import type { JoinedFinding } from './edge-overload.ts';

/** A queue's waits scatter by as much as they last; the middle of a handful of runs by a third of it. */
const mostTimes = 3;

/**
 * A place that is slower than the cause it belongs to says is that cause's scatter, not a second one in
 * the same part at the same time: an application's name servers are not also those "from one edge".
 */
export const joinScatter = (findings: readonly JoinedFinding[]): JoinedFinding[] => {
  const joined = new Map(findings.map((each) => [each, [...each.joined]]));
  for (const each of findings) {
    const wider = findings.find((other) => holds(other, each));
    if (wider === undefined) continue;
    joined.get(wider)?.push(each.lead, ...each.joined);
    joined.delete(each);
  }
  return [...joined].map(([{ lead }, parts]) => ({ lead, joined: parts }));
};

const holds = ({ lead: wide }: JoinedFinding, { lead: narrow }: JoinedFinding): boolean =>
  wide.group.part === narrow.group.part &&
  wide.group.kind !== 'place' &&
  narrow.group.kind === 'place' &&
  narrow.addedMs < mostTimes * wide.addedMs &&
  narrow.shifted.every((cell) => wide.shifted.includes(cell));
