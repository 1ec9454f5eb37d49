import type { Fault, Impact, TrueRoute } from '#test/simulator/truth.ts';
import type { Cause, Finding } from '../finding.ts';
import { isRightElement } from './elements.ts';
import { isRightSegment, type Networks } from './segments.ts';

/** One slow answer of the truth: a device and application in one bin. */
export type Ticket = {
  seed: number;
  fault: Fault;
  deviceId: string;
  appId: string;
  fromMs: number;
  /** Everything that is at work, largest first, with its fault. */
  impacts: readonly { impact: Impact; fault: Fault }[];
  route: TrueRoute;
};

/** `missed`: not called slow. `unknown`: slow, and nothing named. */
export type Judged = {
  ticket: Ticket;
  finding: Finding | undefined;
  outcome: 'right' | 'wrong' | 'unknown' | 'missed';
  /** Of a named finding, or of the likeliest cause of an unknown one. */
  isSegmentRight: boolean;
  isElementRight: boolean;
  /** The AS of the stretch is the faulty one's; null: not asked of this fault. */
  isAsnRight: boolean | null;
  /** Of the right segment's fault: |said − true| / true. */
  msError: number | null;
  startErrorMs: number | null;
};

/** A second fault that adds this share of the top one may be named instead. */
const secondShare = 0.7;

export const judge = (ticket: Ticket, finding: Finding | undefined, networks: Networks): Judged => {
  const cause = finding?.causes[0];
  const match = cause === undefined ? undefined : matchOf(ticket, cause, networks);
  return {
    ticket,
    finding,
    outcome: outcomeOf(finding, match),
    isSegmentRight: match !== undefined,
    isElementRight: match?.isElementRight ?? false,
    isAsnRight: cause === undefined ? null : isOneOfItsAsns(cause, ticket.fault, networks),
    msError:
      match === undefined || cause === undefined
        ? null
        : Math.abs(cause.addedMs - match.ms) / Math.max(1, match.ms),
    startErrorMs:
      match === undefined || cause === undefined || cause.startedAt === null
        ? null
        : Math.abs(cause.startedAt - match.fault.startMs),
  };
};

const outcomeOf = (finding: Finding | undefined, match: Match | undefined): Judged['outcome'] => {
  if (finding === undefined) return 'missed';
  if (finding.state === 'unknown' || finding.causes.length === 0) return 'unknown';
  return match === undefined ? 'wrong' : 'right';
};

type Match = { fault: Fault; ms: number; isElementRight: boolean };

/** The fault that this cause names rightly, with the element where there is a choice. */
export const matchOf = (ticket: Ticket, cause: Cause, networks: Networks): Match | undefined => {
  const leastMs = secondShare * (ticket.impacts[0]?.impact.ms ?? 0);
  const matches = ticket.impacts
    .filter(({ impact }) => impact.ms >= leastMs)
    .flatMap(({ fault, impact }): Match[] => {
      const isElement = isRightElement(cause, fault.element, ticket.route);
      return isRightSegment(cause, fault, impact, isElement, networks)
        ? [{ fault, ms: impact.ms, isElementRight: isElement }]
        : [];
    });
  return matches.find((match) => match.isElementRight) ?? matches[0];
};

/** A link between two networks is either's. */
const isOneOfItsAsns = (
  { element }: Cause,
  { element: { asn, stretches } }: Fault,
  networks: Networks,
): boolean | null => {
  if (asn === null) return null;
  const ends = stretches.flatMap(({ from, to }) => [networks.asnOf(from), networks.asnOf(to)]);
  return [asn, ...ends].includes(element.asn ?? Number.NaN);
};
