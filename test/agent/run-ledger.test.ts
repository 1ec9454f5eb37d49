import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openRunLedger } from '#agent/run-ledger.ts';
import type { MissedRuns } from '#contract/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';

const flush = async (ledger: ReturnType<typeof openRunLedger>) => {
  const flushed: MissedRuns[] = [];
  await ledger.flush(async (record) => {
    flushed.push(record);
    return true;
  });
  return flushed;
};

describe('run ledger', () => {
  test('adds counts up by probe and reason and hands them over once', async () => {
    const ledger = openRunLedger({ folder: await makeTemporaryFolder(), deviceId });
    ledger.count('a', 'overrun', 1);
    ledger.count('a', 'overrun', 2);
    ledger.count('b', 'asleep', 7);
    const flushed = await flush(ledger);
    expect(flushed.map(({ probeId, reason, count }) => [probeId, reason, count])).toEqual([
      ['a', 'overrun', 3],
      ['b', 'asleep', 7],
    ]);
    expect(await flush(ledger)).toEqual([]);
    expect(ledger.totals()).toEqual({ overrun: 3, asleep: 7 });
  });

  test('counts runs that were under way when the agent was killed as stopped', async () => {
    const folder = await makeTemporaryFolder();
    const first = openRunLedger({ folder, deviceId });
    const ended = randomUUID();
    first.begin(ended, 'a');
    first.begin(randomUUID(), 'b');
    first.end(ended);
    first.count('c', 'overrun', 4);
    // Killed here: nothing is closed.
    const flushed = await flush(openRunLedger({ folder, deviceId }));
    expect(flushed.map(({ probeId, reason, count }) => [probeId, reason, count])).toEqual([
      ['c', 'overrun', 4],
      ['b', 'stopped', 1],
    ]);
  });

  test('hands over the same records again when it was killed while doing so', async () => {
    const folder = await makeTemporaryFolder();
    const first = openRunLedger({ folder, deviceId });
    first.count('a', 'overrun', 1);
    let cutOff: MissedRuns | undefined;
    void first.flush((record) => {
      cutOff = record;
      return new Promise(() => {});
    });
    expect(await flush(openRunLedger({ folder, deviceId }))).toEqual([cutOff]);
  });

  test('keeps a count that found no room in the spool', async () => {
    const ledger = openRunLedger({ folder: await makeTemporaryFolder(), deviceId });
    ledger.count('a', 'overrun', 3);
    await ledger.flush(async (record) => {
      ledger.countLost([record], 'spool-full');
      return false;
    });
    expect((await flush(ledger)).map(({ reason, count }) => [reason, count])).toEqual([
      ['overrun', 3],
    ]);
  });
});
