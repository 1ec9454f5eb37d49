import { describe, expect, it } from 'vitest';
import { figuresOf } from '#probes/voice/figures.ts';
import type { ReceivedPacket, Stream } from '#probes/voice/stream.ts';

/** What became of one packet: times on the way in ms; null: lost there. */
type Fate = { upMs: number | null; downMs?: number | null };

/** A stream as it would have been recorded; the reflector's clock is an hour ahead, and counts. */
const record = (fates: readonly Fate[], reflectorCounts = true): Stream => {
  const clockAheadMs = 3_600_000;
  const startMs = 1_800_000_000_000;
  const sent = fates.map((_, i) => ({ sentAtMs: startMs + i * 20, lateMs: i === 0 ? 3 : 0 }));
  const reached = fates
    .map((fate, sequence) => ({ ...fate, sequence, atMs: sequence * 20 + (fate.upMs ?? 0) }))
    .filter(({ upMs }) => upMs !== null)
    .sort((a, b) => a.atMs - b.atMs);
  const received: ReceivedPacket[] = reached
    .map((packet, count) => ({ ...packet, reflectorSequence: count }))
    .filter(({ downMs = 10 }) => downMs !== null)
    .map(({ sequence, reflectorSequence, atMs, downMs = 10 }) => ({
      sequence,
      reflectorSequence: reflectorCounts ? reflectorSequence : sequence,
      reflectedAtMs: {
        received: startMs + clockAheadMs + atMs,
        returned: startMs + clockAheadMs + atMs + 1,
      },
      receivedAtMs: startMs + atMs + 1 + (downMs ?? 0),
    }));
  return {
    sent,
    unkeptCount: 0,
    received: received.sort((a, b) => a.receivedAtMs - b.receivedAtMs),
    error: undefined,
  };
};

const judge = (fates: readonly Fate[], changes: { isStateful?: boolean } = {}) =>
  figuresOf(record(fates, changes.isStateful ?? true), {
    playoutMs: 60,
    intervalMs: 20,
    isStateful: true,
    ...changes,
  });

const good: Fate = { upMs: 10 };
const many = (count: number, fate: Fate = good): Fate[] =>
  Array.from({ length: count }, () => fate);

describe('figures of a stream', () => {
  it('stand any number of answers', () => {
    const { received, ...rest } = record(many(100).with(3, { upMs: null }));
    const stream = { ...rest, received: Array.from({ length: 3_000 }, () => received).flat() };
    const figures = figuresOf(stream, { playoutMs: 60, intervalMs: 20, isStateful: true });
    expect(figures).toMatchObject({ receivedCount: 99, duplicateCount: 99 * 2_999 });
  });

  it('of a path that does nothing to it are those of a good call', () => {
    const figures = judge(many(100));
    expect(figures).toMatchObject({
      sentCount: 100,
      receivedCount: 100,
      duplicateCount: 0,
      reorderedCount: 0,
      lossRatio: 0,
      longestLossCount: 0,
      rttMinMs: 20,
      rttMedianMs: 20,
      rttP95Ms: 20,
      jitterMs: 0,
      lateRatio: 0,
    });
    // 10 ms way, 60 ms play-out, 20 ms packet: R of 90 ms.
    expect(figures.mos).toBeCloseTo(4.36, 1);
    expect(figures.up).toEqual(figures.down);
  });

  it('put each loss on the way it happened, whatever the clocks say', () => {
    const fates = many(100);
    for (const i of [10, 11, 12, 40]) fates[i] = { upMs: null };
    for (const i of [60, 61]) fates[i] = { upMs: 10, downMs: null };
    const figures = judge(fates);
    expect(figures).toMatchObject({ lossRatio: 0.06, longestLossCount: 3, receivedCount: 94 });
    expect(figures.up?.lossRatio).toBe(0.04);
    expect(figures.down?.lossRatio).toBe(0.02);
    expect(figures.up?.mos).toBeLessThan(figures.down?.mos ?? 0);
    expect(figures.mos).toBe(figures.up?.mos);
  });

  it('do not say where a packet was lost when the reflector does not count', () => {
    const fates = many(100);
    fates[10] = { upMs: null };
    const figures = judge(fates, { isStateful: false });
    expect(figures.lossRatio).toBe(0.01);
    expect(figures.up).toMatchObject({ lossRatio: null });
    expect(figures.up?.mos).toBe(figures.down?.mos);
  });

  it('count what comes too late for the play-out buffer as lost for the call only', () => {
    const fates = many(100);
    for (const i of [20, 50]) fates[i] = { upMs: 10, downMs: 90 };
    const figures = judge(fates);
    expect(figures).toMatchObject({ lossRatio: 0, lateRatio: 0.02 });
    expect(figures.up).toMatchObject({ lateRatio: 0 });
    expect(figures.down).toMatchObject({ lateRatio: 0.02 });
    expect(figures.down?.mos).toBeLessThan(figures.up?.mos ?? 0);
  });

  it('count packets that were overtaken', () => {
    const fates = many(20);
    // 45 ms more: two that were sent later are there before.
    fates[5] = { upMs: 10, downMs: 55 };
    fates[12] = { upMs: 10, downMs: 35 };
    expect(judge(fates).reorderedCount).toBe(2);
  });

  it('give the jitter of RFC 3550: for delays in turn 0 and 16 ms higher it nears 16 ms', () => {
    const fates = many(400).map((_, i): Fate => ({ upMs: 10 + (i % 2) * 16 }));
    const figures = judge(fates);
    expect(figures.up?.jitterMs).toBeGreaterThan(14);
    expect(figures.up?.jitterMs).toBeLessThanOrEqual(16);
    expect(figures.down?.jitterMs).toBe(0);
    expect(figures.jitterMs).toBe(figures.up?.jitterMs);
    // |D| is 16 ms at each step: after n steps J = 16 (1 - (15/16)^n).
    const ofRfc = Array.from({ length: 399 }, (_, n) => 16 * (1 - (15 / 16) ** (n + 1)));
    const mean = ofRfc.reduce((sum, j) => sum + j, 0) / ofRfc.length;
    expect(figures.up?.jitterMs).toBeCloseTo(mean, 2);
  });

  it('count a packet that came twice once', () => {
    const stream = record(many(10));
    const [first] = stream.received;
    if (first) stream.received.push({ ...first, reflectorSequence: 10 });
    const options = { playoutMs: 60, intervalMs: 20, isStateful: true };
    expect(figuresOf(stream, options)).toMatchObject({ receivedCount: 10, duplicateCount: 1 });
  });

  it('rate bursts below the same loss spread out', () => {
    const spread = many(300);
    const burst = many(300);
    for (let i = 0; i < 30; i++) {
      spread[i * 10 + 5] = { upMs: null };
      burst[100 + i] = { upMs: null };
    }
    expect(judge(burst).mos).toBeLessThan(judge(spread).mos ?? 0);
  });

  it('of a stream without answers say nothing about a call', () => {
    expect(judge(many(50, { upMs: null }))).toMatchObject({
      sentCount: 50,
      receivedCount: 0,
      lossRatio: 1,
      longestLossCount: 50,
      rttMedianMs: null,
      jitterMs: null,
      up: null,
      down: null,
      mos: null,
      rating: null,
    });
  });

  it('of a run that sent nothing are empty', () => {
    expect(judge([])).toMatchObject({ sentCount: 0, lossRatio: null, mos: null });
  });
});
