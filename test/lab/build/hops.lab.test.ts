import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, raiseLab } from '../lab.ts';
import { large } from '../topology/large.ts';
import type { Family } from '../topology/routes.ts';
import type { Topology } from '../topology/topology.ts';
import { twoSites } from '../topology/two-sites.ts';
import { testLabName } from './lab-name.ts';

const pairs: Record<string, [from: string, to: string][]> = {
  'two-sites': [
    ['a1', 's1'],
    ['b2', 'e2'],
    ['a2', 'col'],
    ['e1', 's2'],
    ['e2', 'w1'],
    ['w1', 'e1'],
    ['tp', 'nsa'],
  ],
  large: [
    ['a1', 's1'],
    ['c3', 'e1'],
    ['b2', 'tp'],
    ['e2', 'w1'],
    ['e2', 's3'],
  ],
};

const families: Family[] = [4, 6];

describe.each([twoSites, large])('a way through $name', (topology: Topology) => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await raiseLab({ topology, name: testLabName() });
  });
  afterAll(() => lab.down());

  const addressOf = (node: string, family: Family): string => {
    const [address4 = '', address6 = ''] = lab.addressesOf(node);
    return family === 4 ? address4 : address6;
  };
  /** Per hop, the nodes that may be there: several where paths are equal. */
  const expectedHops = (from: string, to: string, family: Family): Set<string>[] => {
    const switches = new Set(
      topology.nodes.filter(({ role }) => role === 'switch').map(({ name }) => name),
    );
    const paths = lab
      .routeBetween(from, to, family)
      .map((path) => path.slice(1).filter((node) => !switches.has(node)));
    const longest = Math.max(...paths.map(({ length }) => length));
    return Array.from(
      { length: longest },
      (_, hop) => new Set(paths.map((path) => path[hop] ?? '')),
    );
  };
  const expectHops = (seen: string[], from: string, to: string, family: Family): void => {
    const expected = expectedHops(from, to, family);
    const named = seen.map((address) => lab.nodeOf(address) ?? address);
    expect(named, `${from} to ${to}: ${seen.join(' ')}`).toHaveLength(expected.length);
    for (const [hop, node] of named.entries()) expect([...(expected[hop] ?? [])]).toContain(node);
  };
  /** Second column of `traceroute -n`. */
  const traceroute = async (from: string, to: string, family: Family, how: string[]) => {
    const { stdout } = await lab.exec(from, 'traceroute', [
      ...['-n', '-q1', '-w4', `-${family}`, ...how],
      addressOf(to, family),
    ]);
    const lines = stdout.trim().split('\n').slice(1);
    return lines.map((line) => line.trim().split(/\s+/)[1] ?? '');
  };
  const mtr = async (from: string, to: string, family: Family): Promise<string[]> => {
    const address = addressOf(to, family);
    const { stdout } = await lab.exec(from, 'mtr', [
      '-n',
      '-c2',
      '-i0.2',
      '-G1',
      '--json',
      address,
    ]);
    const { report } = JSON.parse(stdout) as { report: { hubs: { host: string }[] } };
    return report.hubs.map(({ host }) => host);
  };
  const cases = (pairs[topology.name] ?? []).flatMap(([from, to]) =>
    families.map((family) => ({ from, to, family })),
  );

  it.concurrent.each(cases)(
    'shows every router to ICMP, UDP and mtr: $from to $to, IPv$family',
    async (given) => {
      const { from, to, family } = given;
      expectHops(await traceroute(from, to, family, ['-I']), from, to, family);
      expectHops(await traceroute(from, to, family, []), from, to, family);
      expectHops(await mtr(from, to, family), from, to, family);
    },
  );

  it.concurrent.each(cases)(
    'takes the time its links say: $from to $to, IPv$family',
    async (given) => {
      const { from, to, family } = given;
      const [path = []] = lab.routeBetween(from, to, family);
      const links = path.slice(1).map((node, index) => `${path[index]} ${node}`);
      const delaysMs = topology.links
        .filter(({ a, b }) => links.includes(`${a} ${b}`) || links.includes(`${b} ${a}`))
        .map(({ delayMs }) => delayMs);
      expect(delaysMs).toHaveLength(links.length);
      const expectedMs = 2 * delaysMs.reduce((sum, delayMs) => sum + delayMs, 0);
      const { stdout } = await lab.exec(from, 'ping', [
        ...['-n', '-q', '-c20', '-i0.05', '-W3', addressOf(to, family)],
      ]);
      const fastestMs = Number(/= ([\d.]+)\//.exec(stdout)?.[1]);
      expect(fastestMs).toBeGreaterThan(expectedMs - 0.1);
      // The fastest of twenty: what jitter and a busy machine add to each link is mostly not in it.
      expect(fastestMs).toBeLessThan(expectedMs + 1 + 0.25 * links.length);
    },
  );
});
