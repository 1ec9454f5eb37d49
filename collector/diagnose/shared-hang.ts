import type { Evidence, Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import { groupBy } from './group.ts';
import { sayList } from './wording.ts';

/** Failures after the connection stood: something was sent and nothing came back. */
const hanging: ReadonlySet<string> = new Set(['tls.timed_out', 'http.timed_out']);
/** So many of an application's newest runs have to hang. */
const runsAsked = 2;

/** Other applications of the device, by whether they hang through the same edge as well. */
export type SharedHang = { segment: Segment; hang: string[]; answer: string[] };

/**
 * One application that takes connections and never answers is its server's matter. Two at once,
 * behind one edge through which a third answers, are the way's: it lets handshakes pass and swallows
 * what is larger (a path-MTU black hole). Undefined: nothing tells the two apart.
 */
export const sharedHang = (
  failed: Point<'http'>,
  others: readonly Point<'http'>[],
  sinceMs: number,
): SharedHang | undefined => {
  const { edge, failure_type: type, via } = failed.tags;
  if (via !== 'tunnel' || edge === '' || !hanging.has(type)) return undefined;
  const beside = groupBy(
    others.filter((run) => run.tags.edge === edge && run.tags.via === via),
    (run) => run.tags.app,
  );
  const hang: string[] = [];
  const answer: string[] = [];
  for (const [app, runs] of beside) {
    const newest = runs.slice(-runsAsked);
    if (newest.length < runsAsked) continue;
    if (newest.every((run) => hanging.has(run.tags.failure_type))) hang.push(app);
    else if (runs.some((run) => run.fields.ok === 1 && run.timeMs > sinceMs)) answer.push(app);
  }
  return hang.length === 0 || answer.length === 0
    ? undefined
    : { segment: 'edge-origin', hang: hang.sort(), answer: answer.sort() };
};

export const saySharedHang = ({ hang }: SharedHang): string =>
  `the path from the edge lets connections through and nothing larger, for ${sayList(hang)} neither`;

export const sharedHangAction =
  'Look for a hole for large packets (path MTU) behind the edge: a tunnel or firewall on that path that drops ICMP; `whyslow trace --mtu` from there shows it.';

export const looksAtSharedHang = (beside: SharedHang | undefined): Evidence[] =>
  beside === undefined
    ? []
    : [
        {
          finding: 'against',
          segment: beside.segment,
          text: `Through the same edge ${sayList(beside.hang)} hangs after connecting as well, and ${sayList(beside.answer)} answers: it is not one server.`,
          value: beside.hang.length + 1,
          baseline: null,
          unit: 'applications',
        },
      ];
