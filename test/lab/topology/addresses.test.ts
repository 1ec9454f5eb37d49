import { describe, expect, it } from 'vitest';
import { planAddresses, prefixOf } from './addresses.ts';
import { createGraph } from './graph.ts';
import { large } from './large.ts';
import { twoSites } from './two-sites.ts';

describe('addresses of a topology', () => {
  it.each([twoSites, large])('are one node’s each, links included: $name', (topology) => {
    const plan = planAddresses(topology);
    const all = topology.nodes.flatMap(({ name }) => plan.addressesOf(name));
    expect(new Set(all).size).toBe(all.length);
    for (const { name } of topology.nodes) {
      for (const address of plan.addressesOf(name)) expect(plan.nodeOf(address)).toBe(name);
    }
    expect(plan.nodeOf('9.9.9.9')).toBeUndefined();
  });

  it('are public on the way out of a site and private on the way into the private network', () => {
    const plan = planAddresses(twoSites);
    expect(plan.interfaceOf('gwa', 'ia1').address4).toMatch(/^11\.1\./);
    expect(plan.interfaceOf('cgw', 'ix').address4).toMatch(/^11\.1\./);
    expect(plan.interfaceOf('cgw', 'w1')).toMatchObject({
      address4: expect.stringMatching(/^10\.254\./),
      address6: expect.stringMatching(/^fdfe:/),
    });
  });

  it('are on the wire behind a switch and on lo elsewhere', () => {
    const plan = planAddresses(twoSites);
    expect(plan.interfaceOf('a1', 'apa').address4).toBe('192.168.10.11');
    expect(plan.loopback('a1')).toBeNull();
    expect(plan.interfaceOf('apa', 'a1').address4).toBeNull();
    expect(plan.loopback('ix')?.address4).toBe('11.0.30.1');
  });

  it('are found however they are written', () => {
    const { nodeOf } = planAddresses(twoSites);
    expect(nodeOf('3ffe:0:61::1')).toBe('s1');
    expect(nodeOf('3FFE:0000:61:0:0:0:0:1')).toBe('s1');
  });

  it.each([
    ['11.1.0.14', 30, '11.1.0.12/30'],
    ['192.168.10.11', 24, '192.168.10.0/24'],
    ['3ffe:10:1::11', 64, '3ffe:10:1::/64'],
    ['3ffe:ffff:1f::2', 64, '3ffe:ffff:1f::/64'],
  ])('%s/%i lies in %s', (address, length, prefix) => {
    expect(prefixOf(address, length)).toBe(prefix);
  });

  it('need names that fit an interface, known ends and one link a pair', () => {
    const [first] = twoSites.nodes;
    if (first === undefined) throw new Error('no node');
    const other = { ...first, name: 'other' };
    const build = (names: string[], links: [string, string][]) =>
      createGraph({
        name: 'wrong',
        nodes: names.map((name) => ({ ...other, name })),
        links: links.map(([a, b]) => ({ a, b, delayMs: 1 })),
      });
    expect(() => build(['averylongname'], [])).toThrow('"averylongname" is no name');
    expect(() => build(['a', 'a'], [])).toThrow('two nodes have the same name');
    expect(() => build(['a'], [['a', 'b']])).toThrow('link to unknown b');
    expect(() =>
      build(
        ['a', 'b'],
        [
          ['a', 'b'],
          ['b', 'a'],
        ],
      ),
    ).toThrow('two links between b and a');
  });
});
