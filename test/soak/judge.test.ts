import { expect, test } from 'vitest';
import { judge, type Round } from './judge.ts';

const held = { heldBytes: 30_000_000, residentBytes: 200_000_000, descriptorCount: 34 };
const round = (change: Partial<Round> = {}): Round => ({
  rightCount: 200,
  wrongCount: 0,
  brokenInCalm: [],
  brokenByDrain: [],
  brokenByTrouble: 20,
  recoveryMs: { sleep: 1, address: 1, drain: 1, kill: 1 },
  streamsHeld: 9_000,
  streamsAnswered: 9_000,
  agent: held,
  edge: held,
  ...change,
});
const report = (rounds: Round[]) => ({ seconds: 60, rounds });

test('what comes and goes is no growth, and trouble may break streams', () => {
  const rounds = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) =>
    round({ edge: { ...held, heldBytes: 30_000_000 + (at % 3) * 10_000_000 } }),
  );
  expect(judge(report(rounds))).toEqual([]);
});

test.each([
  ['wrong bytes', { wrongCount: 1 }, '1 downloads ended in order with other bytes'],
  ['a stream broken in calm', { brokenInCalm: ['silent'] }, '1 broke off in calm: silent'],
  ['a stream broken by a drain', { brokenByDrain: ['cut'] }, '1 broken by a drain: cut'],
  ['an open stream that is dead', { streamsAnswered: 8_999 }, '8999 of 9000 open streams'],
])('%s is found', (_, change, finding) => {
  const findings = judge(report([round(), round(change), round()]));
  expect(findings.join()).toContain(finding);
});

test.each([
  ['memory', (at: number) => ({ ...held, heldBytes: 30_000_000 + at * 10_000_000 })],
  ['descriptors', (at: number) => ({ ...held, descriptorCount: 34 + at * 100 })],
] as const)('%s that grow are found, whoever holds them', (_, grown) => {
  const rounds = [0, 1, 2, 3, 4, 5].map((at) => round({ agent: grown(at), edge: grown(at) }));
  const findings = judge(report(rounds));
  expect(findings.filter((one) => one.startsWith('agent'))).toHaveLength(1);
  expect(findings.filter((one) => one.startsWith('edge'))).toHaveLength(1);
});
