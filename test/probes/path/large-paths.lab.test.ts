import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { large } from '#test/lab/topology/large.ts';
import { addressesOf, waysFrom } from './lab-way.ts';

/** Sites A and C reach the servers over the backbone of four equal paths. */
describe('path in a network of forty nodes', () => {
  let lab: Lab;
  let probers: Record<'a2' | 'c2', LabProber>;
  beforeAll(async () => {
    lab = await raiseLab({ topology: large, name: testLabName() });
    probers = { a2: startProber(lab, 'a2'), c2: startProber(lab, 'c2') };
  });
  afterAll(async () => {
    await Promise.all(Object.values(probers ?? {}).map((prober) => prober.stop()));
    await lab?.down();
  });

  it.each([
    ['a2', 's1', 4, 'icmp'],
    ['a2', 's1', 6, 'icmp'],
    ['a2', 's3', 4, 'tcp'],
    ['c2', 's3', 6, 'tcp'],
    ['c2', 's2', 4, 'udp'],
    ['c2', 'e1', 6, 'udp'],
  ] as const)(
    'sees the way of traceroute and mtr: %s to %s, IPv%d, %s',
    async (from, to, family, protocol) => {
      await waysFrom(lab, from, probers[from]).compare({ to, family, protocol });
    },
  );

  it('keeps to one of four equal paths, run after run', async () => {
    const ways = waysFrom(lab, 'a2', probers.a2);
    const hashes = new Set<string | null>();
    const branches = new Set<string | undefined>();
    for (let run = 0; run < 4; run += 1) {
      const outcome = await ways.trace({ to: 's2', family: 4, protocol: 'icmp' });
      hashes.add(outcome.body.routeHash);
      branches.add(ways.nodesOf(addressesOf(outcome))[6]);
    }
    expect(hashes.size).toBe(1);
    expect(['q1', 'q2', 'q3', 'q4']).toContain([...branches].join());
  });

  it('sees all four with as many flows as it takes', async () => {
    const ways = waysFrom(lab, 'a2', probers.a2);
    const { body } = await ways.trace(
      { to: 's1', family: 4, protocol: 'tcp' },
      { branches: true, packetCount: 3, timeoutMs: 30_000 },
    );
    const addresses = body.hops[6]?.branches?.map(({ address }) => address) ?? [];
    expect(new Set(ways.nodesOf(addresses))).toEqual(new Set(['q1', 'q2', 'q3', 'q4']));
    expect(body.reached).toBe(true);
  });
});
