/** What one process holds at rest. */
export type Held = { heldBytes: number; residentBytes: number; descriptorCount: number };

export type Round = {
  rightCount: number;
  wrongCount: number;
  /** Broken off while nothing was done to the tunnel that may break a stream. */
  brokenInCalm: string[];
  brokenByDrain: string[];
  /** Broken off by a kill or a change of address, as they must be. */
  brokenByTrouble: number;
  /** From the end of the trouble to the first request that was answered. */
  recoveryMs: { sleep: number; address: number; drain: number; kill: number };
  streamsHeld: number;
  streamsAnswered: number;
  agent: Held;
  /** The edge that is never restarted. */
  edge: Held;
};

export type Report = { seconds: number; rounds: Round[] };

/** Empty when all is well; else one sentence a finding. */
export const judge = ({ rounds }: Report): string[] => {
  const findings: string[] = [];
  const wrong = sum(rounds, ({ wrongCount }) => wrongCount);
  if (wrong > 0) findings.push(`${wrong} downloads ended in order with other bytes`);
  const calm = rounds.flatMap(({ brokenInCalm }) => brokenInCalm);
  if (calm.length > 0) findings.push(`${calm.length} broke off in calm: ${calm[0]}`);
  const drained = rounds.flatMap(({ brokenByDrain }) => brokenByDrain);
  if (drained.length > 0) findings.push(`${drained.length} broken by a drain: ${drained[0]}`);
  for (const [at, { streamsHeld, streamsAnswered }] of rounds.entries()) {
    if (streamsAnswered !== streamsHeld) {
      findings.push(`round ${at + 1}: ${streamsAnswered} of ${streamsHeld} open streams answered`);
    }
  }
  for (const who of ['agent', 'edge'] as const) {
    findings.push(...growth(who, rounds));
  }
  return findings;
};

/** Sessions that are being closed, or kept warm: some of them are there when the round ends, or not. */
const idleDescriptors = 32;
const mostResidentBytes = 600_000_000;

/**
 * The first rounds fill pools and compile code. From then on the least of the last third may not lie
 * above the most of the third before it by more than a tenth: a leak shows as the one, noise does not.
 * Resident memory is what 9,000 streams once needed, and falls when the allocator likes: it is bounded.
 */
const growth = (who: 'agent' | 'edge', rounds: readonly Round[]): string[] => {
  const third = Math.floor(rounds.length / 3);
  if (third === 0) return [];
  const before = rounds.slice(-2 * third, -third).map((round) => round[who]);
  const last = rounds.slice(-third).map((round) => round[who]);
  const findings: string[] = [];
  const compare = (name: string, read: (held: Held) => number, slack: number) => {
    const most = Math.max(...before.map(read));
    const least = Math.min(...last.map(read));
    if (least > most * 1.1 + slack) findings.push(`${who}: ${name} grew from ${most} to ${least}`);
  };
  compare('bytes held', ({ heldBytes }) => heldBytes, 2_000_000);
  const most = Math.max(...rounds.map((round) => round[who].residentBytes));
  if (most > mostResidentBytes) findings.push(`${who}: ${most} bytes resident`);
  compare('open descriptors', ({ descriptorCount }) => descriptorCount, idleDescriptors);
  return findings;
};

export const describeReport = (report: Report, findings: readonly string[]): string => {
  const { rounds } = report;
  const last = rounds.at(-1);
  const worst = (read: (round: Round) => number) => Math.max(...rounds.map(read)).toFixed(0);
  return [
    `${rounds.length} rounds in ${report.seconds.toFixed(0)} s`,
    `downloads: ${sum(rounds, ({ rightCount }) => rightCount)} right, ${sum(rounds, ({ wrongCount }) => wrongCount)} wrong, ${sum(rounds, ({ brokenByDrain }) => brokenByDrain.length)} broken by ${rounds.length} drains, ${sum(rounds, ({ brokenByTrouble }) => brokenByTrouble)} by kills and changes of address`,
    `longest until a request was answered again: sleep ${worst(({ recoveryMs }) => recoveryMs.sleep)} ms, address ${worst(({ recoveryMs }) => recoveryMs.address)} ms, drain ${worst(({ recoveryMs }) => recoveryMs.drain)} ms, kill ${worst(({ recoveryMs }) => recoveryMs.kill)} ms`,
    last === undefined
      ? ''
      : `at rest: agent ${megabytes(rounds[0]?.agent)} → ${megabytes(last.agent)}, edge ${megabytes(rounds[0]?.edge)} → ${megabytes(last.edge)}`,
    findings.length === 0 ? 'all well' : findings.map((one) => `FAILED ${one}`).join('\n'),
  ].join('\n');
};

const megabytes = (held: Held | undefined): string =>
  held === undefined
    ? '?'
    : `${(held.heldBytes / 1e6).toFixed(1)} MB held, ${(held.residentBytes / 1e6).toFixed(0)} MB resident, ${held.descriptorCount} descriptors`;

const sum = <T>(all: readonly T[], read: (one: T) => number): number =>
  all.reduce((total, one) => total + read(one), 0);
