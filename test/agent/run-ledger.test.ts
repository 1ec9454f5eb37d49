import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openRunLedger as openUnsettled } from '#agent/run-ledger.ts';
import type { MissedRuns } from '#contract/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';

/** Opened as the agent does it, with the ids that reached the spool before a kill. */
const openRunLedger = async (
  parts: { folder: string; deviceId: string },
  storedIds: readonly string[] = [],
) => {
  const ledger = openUnsettled(parts);
  await ledger.settle(async (ids) => new Set(ids.filter((id) => storedIds.includes(id))));
  return ledger;
};

const flush = async (ledger: ReturnType<typeof openUnsettled>) => {
  const flushed: MissedRuns[] = [];
  await ledger.flush(async (record) => {
    flushed.push(record);
    return true;
  });
  return flushed;
};

describe('run ledger', () => {
  test('adds counts up by probe and reason and hands them over once', async () => {
    const ledger = await openRunLedger({ folder: await makeTemporaryFolder(), deviceId });
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
    const first = await openRunLedger({ folder, deviceId });
    const ended = randomUUID();
    first.begin({ runId: ended, probeId: 'a', lostAs: 'stopped' });
    first.begin({ runId: randomUUID(), probeId: 'b', lostAs: 'stopped' });
    first.end(ended);
    first.count('c', 'overrun', 4);
    // Killed here: nothing is closed.
    const flushed = await flush(await openRunLedger({ folder, deviceId }));
    expect(flushed.map(({ probeId, reason, count }) => [probeId, reason, count])).toEqual([
      ['c', 'overrun', 4],
      ['b', 'stopped', 1],
    ]);
  });

  test('hands over the same records again when it was killed while doing so', async () => {
    const folder = await makeTemporaryFolder();
    const first = await openRunLedger({ folder, deviceId });
    first.count('a', 'overrun', 1);
    let cutOff: MissedRuns | undefined;
    void first.flush((record) => {
      cutOff = record;
      return new Promise(() => {});
    });
    expect(await flush(await openRunLedger({ folder, deviceId }))).toEqual([cutOff]);
  });

  test('hands a record over once when two ask at the same moment, and loses none', async () => {
    const ledger = await openRunLedger({ folder: await makeTemporaryFolder(), deviceId });
    ledger.count('a', 'overrun', 1);
    const told: string[] = [];
    const append = async ({ probeId }: MissedRuns) => {
      told.push(probeId);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return true;
    };
    const first = ledger.flush(append);
    ledger.count('b', 'overrun', 1);
    await Promise.all([first, ledger.flush(append)]);
    expect(told).toEqual(['a', 'b']);
    expect(await flush(ledger)).toEqual([]);
  });

  test('keeps a count that found no room in the spool', async () => {
    const ledger = await openRunLedger({ folder: await makeTemporaryFolder(), deviceId });
    ledger.count('a', 'overrun', 3);
    await ledger.flush(async (record) => {
      ledger.countLost([record], 'spool-full');
      return false;
    });
    expect((await flush(ledger)).map(({ reason, count }) => [reason, count])).toEqual([
      ['overrun', 3],
    ]);
  });

  test('does not account twice for what reached the spool in the moment of a kill', async () => {
    const folder = await makeTemporaryFolder();
    const first = await openRunLedger({ folder, deviceId });
    const stored = randomUUID();
    first.begin({ runId: stored, probeId: 'a', lostAs: 'stopped' });
    first.begin({ runId: randomUUID(), probeId: 'b', lostAs: 'stopped' });
    first.count('c', 'overrun', 1);
    let leaving = '';
    void first.flush((record) => {
      leaving = record.id;
      return new Promise(() => {});
    });
    const second = await openRunLedger({ folder, deviceId }, [stored, leaving]);
    expect((await flush(second)).map(({ probeId, reason }) => [probeId, reason])).toEqual([
      ['b', 'stopped'],
    ]);
  });
});
