import { describe, expect, it } from 'vitest';
import { planAddresses } from './addresses.ts';
import { chain } from './chain.ts';
import { large } from './large.ts';
import { type Metrics, planRoutes } from './routes.ts';
import type { Topology } from './topology.ts';
import { twoSites } from './two-sites.ts';

const routesOf = (topology: Topology, metrics: Metrics = {}) => {
  const plan = planAddresses(topology);
  return { plan, ...planRoutes(topology, plan, metrics) };
};

describe('routes of a topology', () => {
  it('take the shortest way, by both of two equal ones', () => {
    const { between, tables } = routesOf(twoSites);
    const upTo = ['a1', 'apa', 'gwa', 'ia1', 'ia2', 'ix', 't1'];
    expect(between('a1', 's1')).toEqual([
      [...upTo, 't2', 'd', 's1'],
      [...upTo, 't2b', 'd', 's1'],
    ]);
    const toServer = tables.get('t1')?.find(({ prefix }) => prefix === '11.0.61.1/32');
    expect(toServer?.nextHops.map(({ device }) => device)).toEqual(['to-t2', 'to-t2b']);
  });

  it('share the load of the larger network by four branches', () => {
    expect(between(large, 'c1', 's3').map((path) => path.at(-4))).toEqual(['q1', 'q2', 'q3', 'q4']);
    expect(large.nodes.length).toBeGreaterThanOrEqual(40);
  });

  it.each([twoSites, large])('never lead through hosts, edges and servers: $name', (topology) => {
    const { between } = routesOf(topology);
    const roles = new Map(topology.nodes.map(({ name, role }) => [name, role]));
    const ends = topology.nodes.filter(({ role }) => role !== 'switch').map(({ name }) => name);
    const inner = ends.flatMap((from) =>
      ends
        .filter((to) => to !== from)
        .flatMap((to) => between(from, to, 6).flatMap((path) => path.slice(1, -1))),
    );
    expect([...new Set(inner.map((name) => roles.get(name)))].sort()).toEqual([
      'gateway',
      'router',
      'switch',
    ]);
  });

  it.each([twoSites, large])(
    'reach every public node from every other by IPv6: $name',
    (topology) => {
      const { between } = routesOf(topology);
      const names = topology.nodes
        .filter(({ name, role }) => role !== 'switch' && name !== 'w1')
        .map(({ name }) => name);
      for (const from of names) {
        for (const to of names) if (from !== to) expect(between(from, to, 6)).not.toEqual([]);
      }
    },
  );

  it.each([twoSites, large])(
    'lead into the private network from the edges only: $name',
    (topology) => {
      const { between, tables } = routesOf(topology);
      const allowed = topology.nodes
        .filter(({ name, role }) => role !== 'switch' && between(name, 'w1').length > 0)
        .map(({ name }) => name);
      const onTheWay = new Set(['e1', 'e2'].flatMap((edge) => between(edge, 'w1').flat()));
      expect(new Set(allowed)).toEqual(onTheWay);
      const knows = [...tables].filter(([, routes]) =>
        routes.some(({ prefix }) => /^10\.|^fd/.test(prefix)),
      );
      for (const [name] of knows) expect(onTheWay).toContain(name);
    },
  );

  it('hide the addresses of a site from everyone else, in IPv4', () => {
    const { between, tables } = routesOf(twoSites);
    expect(between('s1', 'a1', 4)).toEqual([]);
    expect(between('s1', 'a1', 6)).toHaveLength(2);
    for (const routes of tables.values()) {
      expect(routes.filter(({ prefix }) => prefix.startsWith('192.168.'))).toEqual([]);
    }
  });

  it('have a default for devices only, to their gateway', () => {
    const { tables } = routesOf(twoSites);
    const withDefault = [...tables].filter(([, routes]) =>
      routes.some(({ prefix }) => prefix.endsWith('/0')),
    );
    expect(withDefault.map(([name]) => name)).toEqual(['a1', 'a2', 'b1', 'b2']);
    expect(tables.get('a1')?.map(({ nextHops }) => nextHops[0]?.via)).toEqual([
      '192.168.10.1',
      '3ffe:10:1::1',
    ]);
  });

  it('follow other metrics', () => {
    const { between } = routesOf(twoSites, { 't1-t2': 6 });
    expect(between('e1', 's1')).toEqual([['e1', 't1', 't2b', 'd', 's1']]);
    expect(() => routesOf(twoSites, { 'ix-moon': 1 })).toThrow('has no link "ix-moon"');
  });

  it('need no delays: a chain', () => {
    expect(between(chain(3), 'h', 't')).toEqual([['h', 'r1', 'r2', 'r3', 't']]);
    expect(between(chain(0), 't', 'h')).toEqual([['t', 'h']]);
  });
});

const between = (topology: Topology, from: string, to: string): string[][] =>
  routesOf(topology).between(from, to);
