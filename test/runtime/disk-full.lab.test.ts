import { execFileSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { silentLog } from '#runtime/log.ts';
import { openSpool } from '#runtime/spool.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const limits = { recordCount: 500, byteCount: 1_000_000 };
const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';

test('goes on with the newest records when the disk is fuller than the spool’s own limit', async () => {
  const folder = await makeTemporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  const dropped: TelemetryRecord[] = [];
  const spool = await openSpool({
    folder: `${folder}/spool`,
    maxBytes: 1_600_000,
    log: silentLog(),
    onDropped: (records) => dropped.push(...records),
  });
  onTestFinished(() => spool.close());
  const stored: string[] = [];
  const all: string[] = [];
  for (let round = 0; round < 40; round += 1) {
    const events = Array.from({ length: 100 }, () => makeEvent(deviceId, 'x'.repeat(100)));
    const answers = await Promise.all(events.map(spool.append));
    all.push(...events.map(({ id }) => id));
    stored.push(...events.filter((_, index) => answers[index]).map(({ id }) => id));
  }
  expect(dropped.length).toBeGreaterThan(0);
  const shipped: string[] = [];
  for (let chunk = await spool.next(limits); chunk !== null; chunk = await spool.next(limits)) {
    shipped.push(...chunk.lines.map((line) => (JSON.parse(line) as { id: string }).id));
    await spool.release();
  }
  const gone = dropped.map(({ id }) => id);
  // Every record is either shipped or counted, none is both, and the newest is there.
  expect([...shipped, ...gone].sort()).toEqual([...all].sort());
  expect(shipped.at(-1)).toBe(all.at(-1));
  expect(stored).toContain(all.at(-1));
});
