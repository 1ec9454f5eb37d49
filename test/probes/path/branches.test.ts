import { describe, expect, it } from 'vitest';
import { runFlows, wantedFlows } from '#probes/path/branches.ts';
import type { PathAnswer, PathProbePacket, TraceRequest } from '#probes/path/messages.ts';
import type { Flow } from '#probes/path/sockets/network.ts';
import { hopsOf, targetRoundTrips } from '#probes/path/statistics.ts';

const request: TraceRequest = {
  address: '192.0.2.9',
  protocol: 'tcp',
  port: 443,
  packetCount: 20,
  maxHops: 30,
  knownHopCount: null,
  packetTimeoutMs: 100,
  flows: 'branches',
  intervalMs: null,
};
const forever = new AbortController().signal;

/** A path as data: of each flow and TTL an address, or what becomes of the packet. */
const network = (answer: (flow: number, ttl: number, sent: number) => PathAnswer | null) => {
  let opened = 0;
  let sent = 0;
  const openFlow = (): Flow => {
    const flow = opened++;
    return {
      isSerial: false,
      close: () => {},
      async probe(ttl, timeoutMs) {
        const one = answer(flow, ttl, sent++);
        if (one === null) await new Promise((resolve) => setTimeout(resolve, timeoutMs));
        return one;
      },
    };
  };
  return { openFlow, opened: () => opened };
};
const hop = (address: string): PathAnswer => ({ kind: 'hop', address, rttMs: 1 });
const target: PathAnswer = { kind: 'target', address: 't', rttMs: 4 };

describe('several flows to one target', () => {
  it('are six where no hop shows a second address', async () => {
    const { openFlow, opened } = network((_flow, ttl) => (ttl < 4 ? hop(`h${ttl}`) : target));
    const packets = await runFlows(request, openFlow, forever);
    expect(opened()).toBe(6);
    expect(hopsOf(packets).every(({ branches }) => branches === undefined)).toBe(true);
    expect(targetRoundTrips(packets).rttsMs.length).toBeGreaterThanOrEqual(6 * 20);
  });

  it('are as many as the stopping rule wants for the branches seen', async () => {
    const { openFlow, opened } = network((flow, ttl) =>
      ttl === 2 ? hop(`b${flow % 3}`) : ttl < 4 ? hop(`h${ttl}`) : target,
    );
    const packets = await runFlows(request, openFlow, forever);
    expect(opened()).toBe(16);
    const branches = hopsOf(packets)[1]?.branches ?? [];
    expect(branches.map(({ address }) => address)).toEqual(['b0', 'b1', 'b2']);
    expect(branches.map(({ flowCount }) => flowCount)).toEqual([6, 5, 5]);
  });

  it('give each branch the loss of the flows that take it, and none to a limited hop', async () => {
    let said = 0;
    const { openFlow } = network((flow, ttl, sent) => {
      if (ttl === 1) return said++ < 4 ? hop('limited') : null;
      if (ttl === 2) return hop(`b${flow % 2}`);
      return flow % 2 === 1 && sent % 5 === 0 ? null : target;
    });
    const packets = await runFlows({ ...request, packetTimeoutMs: 20 }, openFlow, forever);
    const hops = hopsOf(packets);
    expect(hops[0]).toMatchObject({ address: 'limited', state: 'limited' });
    const losses = new Map(hops[1]?.branches?.map((one) => [one.address, one.pathLossRatio]));
    expect(losses.get('b0')).toBe(0);
    expect(losses.get('b1')).toBeGreaterThan(0.05);
  });

  it('never exceed 64', () => {
    const packets = Array.from({ length: 40 }, (_, flow): PathProbePacket => {
      return { ttl: 1, round: 0, flow, answer: hop(`a${flow}`) };
    });
    expect(wantedFlows({ flows: 'branches' }, packets)).toBe(64);
    expect(wantedFlows({ flows: 5 }, packets)).toBe(5);
  });
});
