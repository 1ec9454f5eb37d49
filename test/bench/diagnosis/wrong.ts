import type { Finding } from './finding.ts';
import type { Judged } from './scoring/judge.ts';
import type { Sheet } from './scoring/scoresheet.ts';

/**
 * Every error of one method as a line: what it said, what was true, and where to find it again
 * (`seed`, `binFromMs`, `deviceId`, `appId`).
 */
export const wrongLines = (sheet: Sheet): string[] => [
  ...sheet.judged.filter(isError).map((one) => line(ofTicket(one))),
  ...sheet.falseAlarms.map((alarm) =>
    line({ error: 'false-alarm', seed: sheet.seed, ...where(alarm), said: saidOf(alarm.finding) }),
  ),
  ...sheet.unknownOnsets.map((alarm) =>
    line({
      error: 'unknown-onset',
      seed: sheet.seed,
      ...where(alarm),
      said: saidOf(alarm.finding),
    }),
  ),
  ...sheet.fallenFor.map(({ decoy, finding, fromMs }) =>
    line({
      error: 'decoy',
      seed: sheet.seed,
      ...where({ ...finding, fromMs }),
      decoy,
      said: saidOf(finding),
    }),
  ),
];

const isError = ({ outcome, isElementRight }: Judged): boolean =>
  outcome !== 'right' || !isElementRight;

const ofTicket = ({ ticket, outcome, finding }: Judged) => ({
  error: outcome === 'right' ? 'element' : outcome,
  seed: ticket.seed,
  ...where(ticket),
  fault: {
    ...ticket.fault,
    startedAt: new Date(ticket.fault.startMs).toISOString(),
    endedAt: new Date(ticket.fault.endMs).toISOString(),
  },
  impacts: ticket.impacts.map(({ impact, fault }) => ({ kind: fault.kind, ...impact })),
  route: ticket.route,
  said: saidOf(finding),
});

const where = ({
  deviceId,
  appId,
  fromMs,
}: {
  deviceId: string;
  appId: string;
  fromMs: number;
}) => ({
  bin: new Date(fromMs).toISOString(),
  binFromMs: fromMs,
  deviceId,
  appId,
});

const saidOf = (finding: Finding | undefined) =>
  finding === undefined ? null : (finding.verdict ?? { ...finding });

const line = (value: object): string => `${JSON.stringify(value)}\n`;
