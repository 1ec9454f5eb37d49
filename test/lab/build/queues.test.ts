import { describe, expect, it } from 'vitest';
import { planAddresses } from '../topology/addresses.ts';
import { large } from '../topology/large.ts';
import { twoSites } from '../topology/two-sites.ts';
import { planQueues } from './queues.ts';

describe('queues of a lab', () => {
  it.each([twoSites, large])('are there for all that faults may name: $name', (topology) => {
    const keys = planQueues('x', topology, planAddresses(topology)).map(({ key }) => key);
    const named = (role: string) =>
      topology.nodes.filter((node) => node.role === role).map(({ name }) => name);
    const expected = [
      ...topology.links.flatMap(({ a, b }) => [`link:${a}>${b}`, `link:${b}>${a}`]),
      ...[...named('router'), ...named('gateway')].map((name) => `time-exceeded:${name}`),
      ...named('name-server').map((name) => `dns:${name}`),
      ...named('edge').map((name) => `syn:${name}`),
    ];
    expect(keys.toSorted()).toEqual(expected.toSorted());
  });

  it('are never where connections are tracked', () => {
    const nodes = planQueues('x', twoSites, planAddresses(twoSites)).map(({ node }) => node);
    expect(nodes).not.toContain('gwa');
    expect(nodes).not.toContain('gwb');
  });

  it('have numbers of their own in each namespace', () => {
    const queues = planQueues('x', large, planAddresses(large));
    const places = queues.map(({ namespace, queueNumber }) => `${namespace} ${queueNumber}`);
    expect(new Set(places).size).toBe(queues.length);
  });
});
