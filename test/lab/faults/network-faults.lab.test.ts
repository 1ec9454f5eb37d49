import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '#test/support/wait-until.ts';
import { attachLab, type Lab, raiseLab } from '../lab.ts';
import { twoSites } from '../topology/two-sites.ts';
import { clearFaults, faultsSet, setFaults } from './apply.ts';
import { faults } from './catalogue.ts';
import type { Fault, FaultAction } from './fault.ts';
import { kernelTools } from './kernel-tools.ts';
import { snapshot } from './snapshot.ts';

let lab: Lab;
let tools: ReturnType<typeof kernelTools>;
let before: Awaited<ReturnType<typeof snapshot>>;

beforeAll(async () => {
  lab = await raiseLab({ topology: twoSites, name: `tf${process.pid.toString(36)}` });
  tools = kernelTools(lab);
  before = await snapshot(lab);
});
afterEach(() => clearFaults(lab));
afterAll(() => lab?.down());

/** Measured as usual, with the fault, and after it. */
const around = async <T>(name: string | Fault, measure: () => Promise<T>) => {
  const usual = await measure();
  await setFaults(lab, [name]);
  const faulty = await measure();
  await clearFaults(lab);
  return { usual, faulty, after: await measure() };
};

const ownFault = (...actions: FaultAction[]): Fault => ({
  name: 'of-this-test',
  kinds: [],
  what: 'Made for a test.',
  actions,
  truth: { blame: 'nobody' },
  settleMs: 0,
});

describe('packets held up or lost', () => {
  it.each([
    ['isp-a-delay', 'a1', 'e1', 30],
    ['office-network-delay', 'b2', 'gwb', 20],
    ['edge-egress-delay', 'e1', 's1', 30],
    ['private-wan-delay', 'e1', 'w1', 50],
    ['resolver-far', 'e1', 'nsp', 120],
  ])('%s: the round trip from %s to %s takes %d ms more', async (name, from, to, addedMs) => {
    const { usual, faulty, after } = await around(name, () => tools.ping(from, to));
    expect(faulty.minMs - usual.minMs).toBeGreaterThan(addedMs - 5);
    expect(faulty.minMs - usual.minMs).toBeLessThan(addedMs + 10);
    expect(after.minMs).toBeLessThan(usual.minMs + 5);
  });

  it('isp-a-jitter: round trips vary', async () => {
    const { usual, faulty } = await around('isp-a-jitter', () =>
      tools.ping('a2', 'ia2', { count: 50 }),
    );
    expect(faulty.meanMs).toBeGreaterThan(usual.meanMs + 25);
    expect(faulty.deviationMs).toBeGreaterThan(10);
  });

  it('wifi-loss: one device loses packets on its first hop, its neighbour none', async () => {
    await setFaults(lab, ['wifi-loss']);
    const [own, neighbour] = await Promise.all([
      tools.ping('a1', 'gwa', { count: 400 }),
      tools.ping('a2', 'gwa', { count: 400 }),
    ]);
    // 22 % there and back; bursts make the share of so few packets vary by 5.
    expect(own.lossRatio).toBeGreaterThan(0.05);
    expect(own.lossRatio).toBeLessThan(0.5);
    expect(neighbour.lossRatio).toBe(0);
  });

  it.each([
    ['isp-b-loss-up', 'b1', 'e1', 'requests'],
    ['isp-b-loss-down', 'b1', 'e1', 'answers'],
    ['transit-loss-back', 'e1', 's1', 'answers'],
  ])('%s: between %s and %s only the %s get lost', async (name, from, to, lost) => {
    const count = 200;
    await setFaults(lab, [name]);
    const arrivedBefore = await tools.echoesAt(to);
    const { lossRatio } = await tools.ping(from, to, { count });
    const arrived = (await tools.echoesAt(to)) - arrivedBefore;
    const answered = Math.round(count * (1 - lossRatio));
    expect(lossRatio).toBeGreaterThan(0.05);
    expect(lossRatio).toBeLessThan(0.35);
    expect(arrived).toBe(lost === 'requests' ? answered : count);
  });

  it('access-outage: nothing passes in either family, the gateway answers', async () => {
    await setFaults(lab, ['access-outage']);
    expect((await tools.ping('b1', 'ib1', { count: 3 })).lossRatio).toBe(1);
    expect((await tools.ping('b1', 'e1', { count: 3, family: 6 })).lossRatio).toBe(1);
    expect((await tools.ping('b1', 'gwb', { count: 3 })).lossRatio).toBe(0);
  });

  it('edge-slow-connect: handshakes take longer, pings do not', async () => {
    const measure = async () => ({
      connectMs: (await tools.curl('e1', 'https://crm.saas.test/health')).connectMs,
      pingMs: (await tools.ping('e1', 's1', { count: 3 })).minMs,
    });
    const { usual, faulty, after } = await around('edge-slow-connect', measure);
    expect(faulty.connectMs).toBeGreaterThan(150);
    expect(usual.connectMs).toBeLessThan(120);
    expect(after.connectMs).toBeLessThan(120);
    expect(faulty.pingMs).toBeLessThan(usual.pingMs + 10);
  });
});

describe('narrow lines', () => {
  it('access-slow-line: a download gets 300 kbit/s', async () => {
    const measure = () => tools.curl('b1', 'https://crm.saas.test/bytes/60000');
    const { faulty, after } = await around('access-slow-line', measure);
    expect(faulty.bytesPerSecond).toBeLessThan(300_000 / 8);
    expect(faulty.bytes).toBe(60_000);
    expect(after.bytesPerSecond).toBeGreaterThan(60_000);
  });

  it('access-bufferbloat: behind a full line everyone at the site waits, the gateway answers at once', async () => {
    await setFaults(lab, ['access-bufferbloat']);
    await waitUntil(async () => (await tools.ping('a1', 'ia1', { count: 3 })).minMs > 200);
    expect((await tools.ping('a1', 'gwa')).minMs).toBeLessThan(20);
    await clearFaults(lab);
    await waitUntil(async () => (await tools.ping('a1', 'ia1', { count: 3 })).minMs < 30);
    expect(
      (await tools.run('a2', 'ss', '-tnH', 'state', 'established', 'dport', '= 5201')).stdout,
    ).toBe('');
  });

  it('transit-mtu-hole: small packets pass, large ones vanish, and nobody says why', async () => {
    await setFaults(lab, ['transit-mtu-hole']);
    for (const family of [4, 6] as const) {
      expect((await tools.ping('s1', 'e1', { count: 3, size: 1_100, family })).lossRatio).toBe(0);
      const large = await tools.ping('s1', 'e1', { count: 3, size: 1_400, family });
      expect(large.lossRatio).toBe(1);
      expect(large.text).not.toMatch(/frag|too big/i);
    }
    const page = await tools.curl('e1', 'https://crm.saas.test/bytes/50000', '-m', '3');
    expect(page.connectMs).toBeGreaterThan(0);
    expect(page.code).toBe(28);
    await clearFaults(lab);
    expect((await tools.curl('e1', 'https://crm.saas.test/bytes/50000')).bytes).toBe(50_000);
  });

  it('an MTU that is not silent is told, and kept to', async () => {
    await setFaults(lab, [
      ownFault({ do: 'mtu', direction: 't1>e1', bytes: 1_400, silent: false }),
    ]);
    const { stdout } = await tools.run(
      's1',
      'tracepath',
      '-n',
      '-m',
      '8',
      lab.addressesOf('e1')[0] ?? '',
    );
    expect(stdout).toMatch(/pmtu 1400/);
    expect((await tools.curl('e1', 'https://crm.saas.test/bytes/50000')).bytes).toBe(50_000);
  });

  it('hosting-ipv6-hole: IPv6 vanishes behind the hosting’s router, IPv4 does not', async () => {
    await setFaults(lab, ['hosting-ipv6-hole']);
    expect((await tools.ping('e1', 's1', { count: 3, family: 6 })).lossRatio).toBe(1);
    expect((await tools.ping('e1', 's1', { count: 3, family: 4 })).lossRatio).toBe(0);
    expect((await tools.ping('e1', 'd', { count: 3, family: 6 })).lossRatio).toBe(0);
  });
});

describe('other paths', () => {
  it('transit-detour: traceroute goes over the far router, 57 ms longer', async () => {
    const measure = async () => ({
      hops: await tools.traceroute('e1', 's1', '-I'),
      minMs: (await tools.ping('e1', 's1')).minMs,
    });
    const { usual, faulty, after } = await around('transit-detour', measure);
    expect(usual.hops.slice(0, 1)).toEqual(['t1']);
    expect(faulty.hops.slice(0, 3)).toEqual(['ix', 'far', 't1']);
    expect(after.hops.slice(0, 1)).toEqual(['t1']);
    expect(faulty.minMs - usual.minMs).toBeGreaterThan(50);
    expect(faulty.minMs - usual.minMs).toBeLessThan(75);
  });

  /** By which router each of some flows goes, as UDP ports make them. */
  const branches = async (): Promise<Set<string | undefined>> => {
    const ports = Array.from({ length: 12 }, (_, index) => String(33_000 + index * 97));
    const traces = await Promise.all(
      ports.map((port) => tools.traceroute('e1', 's1', '-U', '-p', port, '-f', '2', '-m', '2')),
    );
    return new Set(traces.map(([hop]) => hop));
  };

  it('equal-path-change: flows that took two paths take one', async () => {
    const { usual, faulty, after } = await around('equal-path-change', branches);
    expect(usual).toEqual(new Set(['t2', 't2b']));
    expect(faulty).toEqual(new Set(['t2b']));
    expect(after).toEqual(new Set(['t2', 't2b']));
  });

  it('transit-branch-loss: some connections suffer and some do not', async () => {
    await setFaults(lab, ['transit-branch-loss']);
    const tries = Array.from({ length: 20 }, () =>
      tools.curl('e1', 'https://crm.saas.test/health', '--no-keepalive'),
    );
    const slow = (await Promise.all(tries)).filter(
      ({ connectMs, tlsMs, waitMs, code }) => code !== 0 || connectMs + tlsMs + waitMs > 350,
    );
    expect(slow.length).toBeGreaterThan(1);
    expect(slow.length).toBeLessThan(20);
  });

  it('device-link-down: the device has no carrier and comes back with both families', async () => {
    await setFaults(lab, ['device-link-down']);
    expect((await tools.run('a2', 'ip', '-br', 'link', 'show', 'dev', 'to-apa')).stdout).toMatch(
      /DOWN/,
    );
    expect((await tools.ping('a1', 'gwa', { count: 3 })).lossRatio).toBe(0);
    await clearFaults(lab);
    for (const family of [4, 6] as const) {
      expect((await tools.ping('a2', 'e1', { count: 3, family })).lossRatio).toBe(0);
    }
  });

  it('captive-portal: whoever is asked over HTTP, the gateway answers; all else is cut', async () => {
    await setFaults(lab, ['captive-portal']);
    for (const family of ['-4', '-6']) {
      const answer = await tools.curl('a1', 'http://collector.lab.test/generate_204', family);
      expect(answer.status).toBe(302);
      expect(answer.redirect).toBe('http://192.168.10.1:8081/login');
    }
    expect((await tools.ping('a2', 'ia1', { count: 3 })).lossRatio).toBe(1);
    expect((await tools.ping('b1', 'ix', { count: 3 })).lossRatio).toBe(0);
    await clearFaults(lab);
    expect((await tools.ping('a2', 'ia1', { count: 3 })).lossRatio).toBe(0);
  });
});

describe('routers that answer badly and forward well', () => {
  it('late-icmp-isp: one hop is late, the next is not', async () => {
    await setFaults(lab, ['late-icmp-isp']);
    const hops = await tools.mtr('a1', 'e1', 5);
    expect(hops.map(({ node }) => node)).toEqual(['gwa', 'ia1', 'ia2', 'ix', 'e1']);
    expect(hops[2]?.minMs).toBeGreaterThan(150);
    expect(hops[3]?.minMs).toBeLessThan(60);
    expect(hops[4]?.minMs).toBeLessThan(60);
  });

  it('silent-exchange: one hop says nothing, what is behind it answers', async () => {
    const { usual, faulty, after } = await around('silent-exchange', () =>
      tools.traceroute('b1', 'e1', '-I'),
    );
    expect(usual).toEqual(['gwb', 'ib1', 'ib2', 'ix', 'e1']);
    expect(faulty).toEqual(['gwb', 'ib1', 'ib2', '*', 'e1']);
    expect(after).toEqual(usual);
  });

  it('limited-icmp-transit: most probes of one hop stay unanswered, by the kernel’s own limit', async () => {
    await setFaults(lab, ['limited-icmp-transit']);
    const hops = await tools.mtr('e1', 's1', 30);
    expect(hops[0]?.node).toBe('t1');
    expect(hops[0]?.lossRatio).toBeGreaterThan(0.4);
    expect(hops.at(-1)?.lossRatio).toBe(0);
  });
});

describe('services that misbehave', () => {
  const crm = 'https://crm.saas.test/';
  const docs = 'https://docs.saas.test/';

  it.each([
    ['server-slow', docs, 'waitMs', 400],
    ['server-slow-tls', crm, 'tlsMs', 250],
    ['server-slow-body', crm, 'receiveMs', 300],
    ['third-party-slow', 'https://cdn.third.test/tag.js', 'waitMs', 1_500],
    ['private-server-slow', 'https://wiki.corp.test/', 'waitMs', 500],
  ] as const)('%s: %s has a %s of %d ms more', async (name, url, phase, addedMs) => {
    const { usual, faulty, after } = await around(name, () => tools.curl('e1', url));
    expect(faulty[phase]).toBeGreaterThan(addedMs);
    expect(faulty[phase] - usual[phase]).toBeGreaterThan(addedMs * 0.8);
    expect(after[phase]).toBeLessThan(addedMs * 0.6);
  });

  it.each([
    ['server-refuses', crm, 7],
    ['server-hangs', docs, 28],
    ['server-certificate-expired', docs, 60],
  ])('%s: curl cannot read %s (exit %d)', async (name, url, code) => {
    const measure = () => tools.curl('e1', url, '-m', '2');
    const { usual, faulty, after } = await around(name, measure);
    expect([usual.code, faulty.code, after.code]).toEqual([0, code, 0]);
  });

  it('server-errors: every answer is a 503', async () => {
    const { usual, faulty, after } = await around('server-errors', () => tools.curl('e1', crm));
    expect([usual.status, faulty.status, after.status]).toEqual([200, 503, 200]);
  });

  it('document-heavy and page-heavy: more to read', async () => {
    await setFaults(lab, ['document-heavy', 'page-heavy']);
    expect((await tools.curl('e1', docs)).bytes).toBeGreaterThan(1_000_000);
    const { stdout } = await tools.run('e1', 'curl', '-s', '--cacert', `${lab.folder}/ca.pem`, crm);
    expect(stdout.match(/<img /g)?.length).toBeGreaterThan(120);
  });

  it('resolver-slow, resolver-broken, name-missing: dig sees each', async () => {
    const resolver = `@${lab.addressesOf('nsp')[0]}`;
    const ask = () => tools.dig('e1', resolver, 'crm.saas.test', 'A');
    expect(await ask()).toMatchObject({ status: 'NOERROR', addresses: ['s1'] });
    await setFaults(lab, ['resolver-slow']);
    expect((await ask()).ms).toBeGreaterThanOrEqual(200);
    await clearFaults(lab);
    await setFaults(lab, ['resolver-broken']);
    expect(await ask()).toMatchObject({ status: 'SERVFAIL' });
    await clearFaults(lab);
    await setFaults(lab, ['name-missing']);
    expect(await ask()).toMatchObject({ addresses: [] });
    expect((await tools.dig('e1', resolver, 'docs.saas.test', 'A')).addresses).toEqual(['s2']);
  });
});

describe('setting and clearing', () => {
  it('one process sets, another clears', async () => {
    await setFaults(lab, ['isp-a-delay', 'server-slow']);
    const other = await attachLab(lab.name);
    try {
      expect(faultsSet(other)).toEqual(['isp-a-delay', 'server-slow']);
      await clearFaults(other);
    } finally {
      other.close();
    }
    expect(faultsSet(lab)).toEqual([]);
    expect((await tools.ping('a2', 'ia2')).minMs).toBeLessThan(35);
  });

  it('traffic ends with its keeper, even with one that is killed', async () => {
    await setFaults(lab, ['access-bufferbloat']);
    const sockets = async () => (await tools.run('tp', 'ss', '-tlnH', 'sport', '= 5201')).stdout;
    await waitUntil(async () => (await sockets()) !== '');
    const keeper = JSON.parse(readFileSync(`${lab.folder}/keepers/bulk-to-tp.keeper`, 'utf8'));
    process.kill(keeper.pid, 'SIGKILL');
    await waitUntil(async () => (await sockets()) === '');
  });

  it('setting twice is setting once; a second fault joins the first', async () => {
    await setFaults(lab, ['isp-a-delay']);
    await setFaults(lab, ['isp-a-delay', 'isp-b-delay']);
    expect(faultsSet(lab)).toEqual(['isp-a-delay', 'isp-b-delay']);
    expect((await lab.shim.get('link:ia1>ia2')).delayMs).toBe(17);
  });

  it('two that change the same are refused, and nothing of them is done', async () => {
    await setFaults(lab, ['isp-a-delay']);
    await expect(setFaults(lab, ['server-slow', 'isp-a-jitter'])).rejects.toThrow(
      'fault isp-a-jitter changes packets of link:ia1>ia2, and so does isp-a-delay: clear that one first',
    );
    expect(faultsSet(lab)).toEqual(['isp-a-delay']);
    expect(await lab.services.get('s2')).toMatchObject({ thinkMs: 0 });
  });

  it('what does not exist is named, with the nearest that does', async () => {
    await expect(setFaults(lab, ['isp-a-dealy'])).rejects.toThrow('did you mean "isp-a-delay"?');
    await expect(setFaults(lab, ['edge-overloaded'])).rejects.toThrow(
      'fault edge-overloaded: the program "edge-e1" does not run in the lab',
    );
    const wrong = ownFault({ do: 'shim', key: 'link:ia1>ia9', add: { delayMs: 5 } });
    await expect(setFaults(lab, [wrong])).rejects.toThrow(
      'there is no queue "link:ia1>ia9"; did you mean "link:ia1>ia2"?',
    );
  });

  it('a fault of which one half fails leaves nothing behind', async () => {
    const half = ownFault(
      { do: 'rate', direction: 'ix>e1', kbits: 1_000, queueMs: 50 },
      // tc refuses a rate of nothing.
      { do: 'rate', direction: 'e1>ix', kbits: 0, queueMs: 50 },
    );
    await expect(setFaults(lab, [half])).rejects.toThrow(/fault of-this-test: tc .* in e1/);
    expect(faultsSet(lab)).toEqual([]);
    expect(await snapshot(lab)).toEqual(before);
  });

  it('after every fault of the catalogue the network is what it was', async () => {
    const ofTheNetwork = faults.filter(({ actions }) =>
      actions.every((each) => each.do !== 'program'),
    );
    expect(ofTheNetwork.length).toBeGreaterThan(45);
    for (const { name } of ofTheNetwork) {
      await setFaults(lab, [name]);
      await clearFaults(lab);
    }
    expect(await snapshot(lab)).toEqual(before);
  }, 60_000);
});
