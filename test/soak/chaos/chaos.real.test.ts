import { expect, test } from 'vitest';
import { compareFates, findingsOf } from './judge.ts';
import { runChaos } from './run.ts';

test('programs and engines killed, a full disk, a night without network, everything sent twice more: each result is stored once', async () => {
  const said: string[] = [];
  const report = await runChaos({
    kills: 10,
    seed: 7,
    devices: 2,
    everyMs: 50,
    say: (text) => said.push(text),
  });
  expect(report.findings).toEqual([]);
  expect(report.afterKills.safeCount).toBeGreaterThan(500);
  expect(report.afterReplay.storedCount).toBe(report.afterReplay.begunCount);
}, 300_000);

test('what is lost, doubled or strange is found; what was dropped for lack of room is not lost', () => {
  const compared = compareFates({
    begun: new Set(['a', 'b', 'c', 'd', 'e']),
    safe: new Set(['a', 'b', 'c', 'd']),
    dropped: new Set(['d']),
    refused: new Set(),
    stored: ['a', 'a', 'b', 'x'],
  });
  expect(compared).toMatchObject({ lost: ['c'], doubled: ['a'], strange: ['x'], inDoubtCount: 1 });
  expect(findingsOf('then', compared)).toEqual([
    'then: 1 results lost: c',
    'then: 1 results doubled: a',
    'then: 1 results strange: x',
  ]);
});
