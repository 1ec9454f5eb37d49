import { describe, expect, it } from 'vitest';
import type { PathAnswer } from '#probes/path/messages.ts';
import { searchMtu } from '#probes/path/mtu.ts';

const forever = new AbortController().signal;
const target: PathAnswer = { kind: 'target', address: '192.0.2.9', rttMs: 1 };

/** A path as data: what becomes of a packet of a size. */
const path = (fate: (bytes: number) => PathAnswer | null) => {
  const sent: number[] = [];
  const probe = async (_ttl: number, _timeoutMs: number, bytes = 0) => {
    sent.push(bytes);
    return fate(bytes);
  };
  return { probe, sent };
};
const tooBig = (mtu: number): PathAnswer => ({ kind: 'too-big', address: '192.0.2.1', mtu });

describe('the search for the path MTU', () => {
  it('takes what Ethernet carries in two packets where all of the path carries it', async () => {
    const { probe, sent } = path(() => target);
    const mtu = await searchMtu('192.0.2.9', { probe }, 100, forever);
    expect(mtu).toEqual({ bytes: 1_500, blackHole: false, toldBy: null });
    expect(sent).toEqual([576, 1_500]);
  });

  it('believes a router that says what fits, once that passes', async () => {
    const { probe, sent } = path((bytes) => (bytes > 1_420 ? tooBig(1_420) : target));
    const mtu = await searchMtu('192.0.2.9', { probe }, 100, forever);
    expect(mtu).toEqual({ bytes: 1_420, blackHole: false, toldBy: '192.0.2.1' });
    expect(sent).toEqual([576, 1_500, 1_420]);
  });

  it('finds a hole that swallows large packets, to the byte', async () => {
    const { probe, sent } = path((bytes) => (bytes > 1_372 ? null : target));
    const mtu = await searchMtu('192.0.2.9', { probe }, 20, forever);
    expect(mtu).toEqual({ bytes: 1_372, blackHole: true, toldBy: null });
    expect(sent.length).toBeLessThanOrEqual(36);
  });

  it('finds a hole behind a router that told of its own link', async () => {
    const { probe } = path((bytes) =>
      bytes > 1_450 ? tooBig(1_450) : bytes > 1_300 ? null : target,
    );
    const mtu = await searchMtu('192.0.2.9', { probe }, 20, forever);
    expect(mtu).toMatchObject({ bytes: 1_300, blackHole: true });
  });

  it('stays within what the device’s own link takes, and calls that no hole', async () => {
    const { probe } = path((bytes) => (bytes > 1_400 ? { kind: 'unsent', message: 'x' } : target));
    const mtu = await searchMtu('192.0.2.9', { probe }, 20, forever);
    expect(mtu).toEqual({ bytes: 1_400, blackHole: false, toldBy: null });
  });

  it('does not take a lost packet for a hole', async () => {
    let lost = 0;
    const { probe } = path((bytes) => (bytes > 1_000 && lost++ % 2 === 0 ? null : target));
    const mtu = await searchMtu('192.0.2.9', { probe }, 20, forever);
    expect(mtu).toMatchObject({ bytes: 1_500, blackHole: false });
  });

  it('begins with 1,280 bytes over IPv6, and says nothing where nothing answers', async () => {
    const { probe, sent } = path(() => null);
    const mtu = await searchMtu('2001:db8::9', { probe }, 20, forever);
    expect(mtu).toEqual({ bytes: null, blackHole: false, toldBy: null });
    expect(sent).toEqual([1_280, 1_280, 1_280]);
  });
});
