import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, raiseLab } from '../lab.ts';
import { large } from '../topology/large.ts';
import { twoSites } from '../topology/two-sites.ts';
import { testLabName } from './lab-name.ts';

describe('who reaches what', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await raiseLab({ topology: twoSites, name: testLabName() });
  });
  afterAll(() => lab.down());

  const [server4, server6] = ['11.0.61.1', '3ffe:0:61::1'];
  const [wiki4, wiki6] = ['10.50.0.10', 'fd50::10'];
  const reaches = async (from: string, address: string): Promise<boolean> =>
    (await lab.exec(from, 'ping', ['-n', '-q', '-c3', '-i0.2', '-W1', address])).code === 0;

  it.each(['e1', 'e2'])('the private application is there for %s', async (edge) => {
    expect(await reaches(edge, wiki4)).toBe(true);
    expect(await reaches(edge, wiki6)).toBe(true);
    const page = await lab.exec(edge, 'curl', [
      ...['-s', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', `${lab.folder}/ca.pem`],
      'https://wiki.corp.test/health',
    ]);
    expect(page.stdout).toBe('200');
  });

  it.each(['a1', 'b2', 's1', 'col', 't1'])(
    'the private application is not there for %s',
    async (node) => {
      expect(await reaches(node, wiki4)).toBe(false);
      expect(await reaches(node, wiki6)).toBe(false);
    },
  );

  it('its border lets no one else in, not even who has a route', async () => {
    const table = await lab.exec('ix', 'ip', ['route', 'get', wiki4]);
    expect(table.stdout).toContain('to-cgw');
    expect(await reaches('ix', wiki4)).toBe(false);
    expect(await reaches('ix', wiki6)).toBe(false);
    // Even as an address that is routed there and back, but is not an edge's.
    await lab.exec('a1', 'ip', ['route', 'add', wiki4, 'via', '192.168.10.1']);
    for (const [node, next] of [
      ['gwa', 'ia1'],
      ['ia1', 'ia2'],
      ['ia2', 'ix'],
    ] as const) {
      const via = lab.linkAddresses(next, node).address4;
      await lab.exec(node, 'ip', ['route', 'add', wiki4, 'via', via]);
    }
    await lab.exec('w1', 'ip', [
      'route',
      'add',
      '11.1.0.0/16',
      'via',
      lab.linkAddresses('cgw', 'w1').address4,
    ]);
    expect(await reaches('a1', wiki4)).toBe(false);
    const counters = await lab.exec('cgw', 'iptables', ['-nvxL', 'FORWARD']);
    expect(Number(/^\s*(\d+)\s+\d+\s+DROP/m.exec(counters.stdout)?.[1])).toBeGreaterThanOrEqual(3);
  });

  it('a site speaks with its gateway’s address in IPv4 and with its own in IPv6', async () => {
    const ask = (family: string) =>
      lab.exec('a1', 'curl', [
        ...['-s', `-${family}`, '--cacert', `${lab.folder}/ca.pem`],
        'https://crm.saas.test/health',
      ]);
    expect((await ask('4')).code).toBe(0);
    expect((await ask('6')).code).toBe(0);
    const { bySource } = await lab.services.requests('s1');
    const gateway = lab.linkAddresses('gwa', 'ia1').address4;
    expect(Object.keys(bySource).toSorted()).toEqual([gateway, '3ffe:10:1::11'].toSorted());
    // From outside, a site's IPv4 addresses are nowhere, its IPv6 ones are.
    expect(await reaches('s1', '192.168.10.11')).toBe(false);
    expect(await reaches('s1', '3ffe:10:1::11')).toBe(true);
  });

  it('nothing leads out: only devices have a default, and it ends at their gateway', async () => {
    for (const { name, role } of twoSites.nodes) {
      for (const family of ['-4', '-6']) {
        const { stdout } = await lab.exec(name, 'ip', [family, 'route', 'show', 'default']);
        if (role === 'device')
          expect(stdout).toMatch(/^default via (192\.168\.\d0\.1|3ffe:\d0:1::1) /);
        else expect(stdout).toBe('');
      }
      const { stdout } = await lab.exec(name, 'ip', ['-br', 'link']);
      const interfaces = stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/[@\s]/)[0]);
      const known = twoSites.links
        .filter(({ a, b }) => a === name || b === name)
        .map(({ a, b }) => `to-${a === name ? b : a}`);
      if (role === 'switch') known.push('br0');
      expect(interfaces.toSorted()).toEqual(['lo', ...known].toSorted());
    }
    expect(await reaches('a1', '192.0.2.1')).toBe(false);
    expect(await reaches('s1', '192.0.2.1')).toBe(false);
  });

  it('both of two equal paths carry flows, and each flow keeps its own', async () => {
    expect(await branches(lab, 'e1', server4, 2)).toEqual(new Set(['t2', 't2b']));
    expect(await branches(lab, 'e1', server6, 2)).toEqual(new Set(['t2', 't2b']));
  });

  it('other metrics lead elsewhere at once, and back', async () => {
    const second = async () => (await hopOf(lab, 'a1', server4, 6, 4_000))[0];
    await lab.applyMetrics({ 't1-t2': 50 });
    expect(lab.routeBetween('a1', 's1')).toHaveLength(1);
    expect(await branches(lab, 'e1', server4, 2)).toEqual(new Set(['t2b']));
    expect(await branches(lab, 'e1', server6, 2)).toEqual(new Set(['t2b']));
    expect(await second()).toBe('t2b');
    await lab.applyMetrics({ 'ix-t1': 60, 'e1-t1': 60 });
    const path = lab.routeBetween('a1', 's1')[0];
    expect(path?.slice(5, 8)).toEqual(['ix', 'far', 't1']);
    expect(await hopOf(lab, 'a1', server4, 5, 4_000)).toEqual(['far']);
    await lab.applyMetrics({});
    expect(await branches(lab, 'e1', server4, 2)).toEqual(new Set(['t2', 't2b']));
    expect(await branches(lab, 'e1', server6, 2)).toEqual(new Set(['t2', 't2b']));
    expect(await hopOf(lab, 'a1', server4, 5, 4_000)).toEqual(['t1']);
  });

  it('a link that was down carries again', async () => {
    const tables = async () =>
      Promise.all(
        ['a2', 'apa', 'ix', 'e1'].map(async (node) => [
          (await lab.exec(node, 'ip', ['-4', 'route'])).stdout.split('\n').toSorted(),
          (await lab.exec(node, 'ip', ['-6', 'route'])).stdout.split('\n').toSorted(),
          (await lab.exec(node, 'ip', ['neighbour'])).stdout.split('\n').toSorted(),
        ]),
      );
    const before = await tables();
    for (const [link, from] of [
      ['a2-apa', 'a2'],
      ['ix-e1', 'b1'],
    ] as const) {
      const [target4, target6] = lab.addressesOf('e1') as [string, string];
      await lab.setLinkUp(link, false);
      expect(await reaches(from, target4)).toBe(false);
      await lab.setLinkUp(link, true);
      expect(await reaches(from, target4)).toBe(true);
      expect(await reaches(from, target6)).toBe(true);
    }
    expect(await tables()).toEqual(before);
  });
});

describe('a backbone of four equal paths', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await raiseLab({ topology: large, name: testLabName(), services: false });
  });
  afterAll(() => lab.down());

  it('shares its load by flow, in both families', async () => {
    const all = new Set(['q1', 'q2', 'q3', 'q4']);
    expect(await branches(lab, 'e1', '11.0.61.1', 2, 40)).toEqual(all);
    expect(await branches(lab, 'e1', '3ffe:0:61::1', 2, 40)).toEqual(all);
  });
});

/** Nodes that flows from different ports meet at a hop; each flow is sent twice and must stay. */
const branches = async (lab: Lab, from: string, to: string, hop: number, flowCount = 16) => {
  const seen = new Set<string>();
  const ports = Array.from({ length: flowCount }, (_, index) => 20_000 + 7 * index);
  const flow = async (port: number) => {
    const first = await hopOf(lab, from, to, hop, port);
    const again = await hopOf(lab, from, to, hop, port);
    expect(again).toEqual(first);
    for (const node of first) seen.add(node);
  };
  for (let start = 0; start < ports.length; start += 8) {
    await Promise.all(ports.slice(start, start + 8).map(flow));
  }
  return seen;
};

/** Who answers at a hop to UDP packets of one flow. */
const hopOf = async (lab: Lab, from: string, to: string, hop: number, port: number) => {
  const { stdout } = await lab.exec(from, 'traceroute', [
    ...['-n', '-q1', '-w4', '-U', `--sport=${port}`, '-p33434', `-f${hop}`, `-m${hop}`, to],
  ]);
  const address = stdout.trim().split('\n').at(-1)?.trim().split(/\s+/)[1] ?? '';
  return [lab.nodeOf(address) ?? address];
};
