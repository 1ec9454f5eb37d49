import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { retryWaitMs, startArtefactOutbox } from '#agent/artefacts.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { ArtefactAnswer, ArtefactUpload } from '#runtime/collector-client.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const picture = {
  kind: 'screenshot',
  mediaType: 'image/jpeg',
  bytes: Buffer.from('jpeg'),
} as const;
const archive = { kind: 'har', mediaType: 'application/json', bytes: Buffer.from('{}') } as const;
const stored: ArtefactAnswer = { kind: 'stored' };
const down: ArtefactAnswer = {
  kind: 'unanswered',
  status: 503,
  reason: 'down',
  retryAfterMs: null,
};

const start = (answers: ArtefactAnswer[]) => {
  const sent: ArtefactUpload[] = [];
  const outbox = startArtefactOutbox({
    put: async (upload) => {
      sent.push(upload);
      return answers.shift() ?? stored;
    },
    log: silentLog(),
    waitsMs: [5, 5],
  });
  onTestFinished(() => outbox.stop());
  const append = outbox.releasing(async () => true);
  return { outbox, sent, append: (id: string) => append({ id } as TelemetryRecord) };
};

describe('what a run made beside its figures', () => {
  it('leaves once the run’s result is kept, an archive gzipped', async () => {
    const { outbox, sent, append } = start([]);
    outbox.hold('one', 'crm', [archive, picture]);
    expect(sent).toEqual([]);
    await append('one');
    await waitUntil(() => outbox.status().sentCount === 2);
    const [first, second] = sent;
    expect(first).toMatchObject({ resultId: 'one', appId: 'crm', encoding: 'gzip' });
    expect(gunzipSync(first?.body ?? '').toString()).toBe('{}');
    expect(second).toMatchObject({ kind: 'screenshot', encoding: 'identity' });
  });

  it('is tried again, then counted as lost; one that is refused is not tried again', async () => {
    const { outbox, sent, append } = start([down, down, stored, down, down, down]);
    outbox.hold('one', 'crm', [picture]);
    await append('one');
    await waitUntil(() => outbox.status().sentCount === 1);
    outbox.hold('two', 'crm', [picture]);
    await append('two');
    await waitUntil(() => outbox.status().lostCount === 1);
    expect(sent).toHaveLength(6);

    const refusing = start([{ kind: 'refused', reason: '404' }]);
    refusing.outbox.hold('three', 'crm', [picture]);
    await refusing.append('three');
    await waitUntil(() => refusing.outbox.status().lostCount === 1);
    expect(refusing.sent).toHaveLength(1);
  });

  it('waits as long as the collector asks for, and else not all agents equally long', async () => {
    const busy: ArtefactAnswer = { ...down, retryAfterMs: 400 };
    const { outbox, append } = start([busy, stored]);
    outbox.hold('one', 'crm', [picture]);
    const beganMs = performance.now();
    await append('one');
    await waitUntil(() => outbox.status().sentCount === 1);
    expect(performance.now() - beganMs).toBeGreaterThan(390);
    expect([0, 0.5, 1].map((random) => retryWaitMs(2_000, null, () => random))).toEqual([
      1_000, 2_000, 3_000,
    ]);
    expect(retryWaitMs(2_000, 10_000, () => 1)).toBe(10_000);
    expect(retryWaitMs(60_000, 10_000, () => 0)).toBe(30_000);
    // A day would have everything after it lost.
    expect(retryWaitMs(2_000, 86_400_000, () => 0)).toBe(600_000);
  });

  it('of runs without a result, too many or too large is lost and counted, never waited for', async () => {
    const { outbox, append } = start([]);
    for (let i = 0; i < 10; i++) outbox.hold(`run-${i}`, 'crm', [picture]);
    expect(outbox.status().lostCount).toBe(2);
    outbox.hold('large', 'crm', [{ ...picture, bytes: Buffer.alloc(3_000_000) }]);
    expect(outbox.status().lostCount).toBeGreaterThanOrEqual(3);
    await append('run-0');
    await append('run-9');
    await waitUntil(() => outbox.status().sentCount === 1);
  });

  it('does not hold up an agent that stops', async () => {
    let isAsked = false;
    let isAborted = false;
    const outbox = startArtefactOutbox({
      put: (_, signal) =>
        new Promise((resolve) => {
          isAsked = true;
          signal.addEventListener('abort', () => {
            isAborted = true;
            resolve(down);
          });
        }),
      log: silentLog(),
    });
    outbox.hold('one', 'crm', [picture]);
    await outbox.releasing(async () => true)({ id: 'one' } as TelemetryRecord);
    await waitUntil(() => isAsked);
    await outbox.stop();
    expect(isAborted).toBe(true);
    expect(outbox.status().lostCount).toBe(1);
  });
});
