import { describe, expect, it } from 'vitest';
import { chanceOfSoFew } from '#probes/path/clearly-fewer.ts';
import type { PathAnswer, PathProbePacket, TraceRequest } from '#probes/path/messages.ts';
import { endToEndOf, hopsOf, routeHashOf, targetRoundTrips } from '#probes/path/statistics.ts';
import { runTrace, type SendProbe } from '#probes/path/trace.ts';

const request: TraceRequest = {
  address: '192.0.2.9',
  protocol: 'icmp',
  port: 0,
  flows: 1,
  intervalMs: null,
  packetCount: 3,
  maxHops: 30,
  knownHopCount: null,
  packetTimeoutMs: 250,
};

/** A path as data: what answers at each TTL; the last entry is the target. */
const network = (
  hops: readonly (string | null)[],
  lost: (sent: number) => boolean = () => false,
) => {
  const sent: number[] = [];
  const send: SendProbe = async (ttl, timeoutMs) => {
    sent.push(ttl);
    const index = Math.min(ttl, hops.length) - 1;
    const address = hops[index] ?? null;
    const isTarget = index === hops.length - 1;
    if (address === null || (isTarget && lost(sent.length))) {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      return null;
    }
    return { kind: isTarget ? 'target' : 'hop', address, rttMs: ttl } satisfies PathAnswer;
  };
  return { send: { probe: send, isSerial: false }, sent };
};
const forever = new AbortController().signal;
const addresses = (hops: readonly { address: string | null }[]) =>
  hops.map(({ address }) => address);

describe('a trace', () => {
  it('asks no further than the target once it knows where that is', async () => {
    const { send, sent } = network(['a', 'b', 'c']);
    const packets = await runTrace(request, send, forever);
    expect(addresses(hopsOf(packets))).toEqual(['a', 'b', 'c']);
    expect(Math.max(...sent)).toBe(8);
    expect(sent.slice(8)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  it('begins with the last known distance and two hops to spare', async () => {
    const { send, sent } = network(['a', 'b', 'c', 'd']);
    await runTrace({ ...request, knownHopCount: 3 }, send, forever);
    expect(sent.slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(sent[5]).toBe(1);
  });

  it('goes further in bursts of eight when the target is further away', async () => {
    const far = Array.from({ length: 19 }, (_, index) => `h${index + 1}`);
    const { send, sent } = network(far);
    const packets = await runTrace({ ...request, knownHopCount: 3 }, send, forever);
    expect(hopsOf(packets)).toHaveLength(19);
    expect(Math.max(...sent)).toBe(21);
  });

  it('shows a silent hop as silent and counts no loss end to end', async () => {
    const { send } = network(['a', null, 'c']);
    const packets = await runTrace(request, send, forever);
    expect(hopsOf(packets)[1]).toEqual({
      ttl: 2,
      address: null,
      sentCount: 3,
      receivedCount: 0,
      rttMinMs: null,
      rttMedianMs: null,
      rttMaxMs: null,
      state: 'silent',
    });
    expect(targetRoundTrips(packets)).toEqual({ reached: true, rttsMs: [3, 3, 3] });
  });

  it('stops at the last hop that answered when the target never does', async () => {
    const { send } = network(['a', 'b', null, null]);
    const packets = await runTrace({ ...request, maxHops: 12 }, send, forever);
    expect(addresses(hopsOf(packets))).toEqual(['a', 'b']);
    const { reached, rttsMs } = targetRoundTrips(packets);
    expect(reached).toBe(false);
    expect(endToEndOf(rttsMs)).toMatchObject({ lossRatio: 1, rttMinMs: null, jitterMs: null });
  });

  it('counts only the target’s own answers as end to end', async () => {
    // Sends of the first burst are 1–8, then 9–11 and 12–14: the eleventh packet is the target’s.
    const { send } = network(['a', 'b', 'c'], (sent) => sent === 11);
    const packets = await runTrace(request, send, forever);
    expect(endToEndOf(targetRoundTrips(packets).rttsMs).lossRatio).toBeCloseTo(1 / 3);
  });

  it('keeps what it has when it is cut short, and calls nothing lost that is still on its way', async () => {
    const { send } = network(['a', null, 'c']);
    const packets = await runTrace(
      { ...request, packetTimeoutMs: 5_000 },
      send,
      AbortSignal.timeout(50),
    );
    expect(packets.every(({ answer }) => answer !== null)).toBe(true);
    expect(packets.some(({ answer }) => answer?.kind === 'target')).toBe(true);
  });
});

describe('path statistics', () => {
  it('take jitter from consecutive answered round trips', () => {
    expect(endToEndOf([10, 12, null, 9])).toEqual({
      rttMinMs: 9,
      rttMedianMs: 10,
      jitterMs: 2.5,
      lossRatio: 0.25,
    });
    expect(endToEndOf([10]).jitterMs).toBeNull();
    expect(endToEndOf([]).lossRatio).toBeNull();
  });

  /** Of 20 packets a TTL so many are answered; the last is the target's. */
  const answeredBy = (...counts: readonly number[]) =>
    hopsOf(
      counts.flatMap((count, index) =>
        Array.from({ length: 20 }, (_, round): PathProbePacket => {
          const kind = index + 1 === counts.length ? 'target' : 'hop';
          const answer = round < count ? ({ kind, address: `h${index}`, rttMs: 1 } as const) : null;
          return { ttl: index + 1, round, flow: 0, answer };
        }),
      ),
    ).map(({ state }) => state);

  it('call a hop limited only where it is not chance that something behind it answers more', () => {
    // 10 of 20 get no further than the second hop: what is behind it differs by chance.
    expect(answeredBy(20, 20, 7, 9, 12, 8, 11)).toEqual(Array(7).fill('answering'));
    expect(answeredBy(20, 3, 20, 20)).toEqual(['answering', 'limited', 'answering', 'answering']);
    expect(answeredBy(20, 4, 8, 13, 14)).toEqual(Array(5).fill('answering').with(1, 'limited'));
    expect(answeredBy(20, 0, 20)[1]).toBe('silent');
  });

  it.each([
    [{ answered: 7, sent: 20 }, { answered: 9, sent: 20 }, 0.3738],
    [{ answered: 1, sent: 4 }, { answered: 4, sent: 4 }, 0.0714],
    [{ answered: 14, sent: 20 }, { answered: 20, sent: 20 }, 0.0101],
    [{ answered: 0, sent: 10 }, { answered: 10, sent: 10 }, 0.0000054],
    [{ answered: 500, sent: 1_000 }, { answered: 500, sent: 1_000 }, 0.5178],
  ])('know by Fisher how likely %j beside %j is', (one, other, chance) => {
    expect(chanceOfSoFew(one, other) / chance).toBeCloseTo(1, 2);
  });

  it('change the route hash when an address changes, and only then', async () => {
    const hashOf = async (hops: string[]) =>
      routeHashOf(hopsOf(await runTrace(request, network(hops).send, forever)));
    const hash = await hashOf(['a', 'b', 'c']);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf(['a', 'b', 'c'])).toBe(hash);
    expect(await hashOf(['a', 'x', 'c'])).not.toBe(hash);
    expect(routeHashOf([])).toBeNull();
  });
});
