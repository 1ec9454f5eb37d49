import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { clearFaults, setFaults } from '#test/lab/faults/apply.ts';
import { kernelTools } from '#test/lab/faults/kernel-tools.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { oneOfThree } from '#test/lab/shim/attempts.ts';
import { twoSites } from '#test/lab/topology/two-sites.ts';
import { addressesOf, type Way, waysFrom } from './lab-way.ts';

let lab: Lab;
let probers: Record<'a2' | 'b1' | 'e1', LabProber>;
let fromA: ReturnType<typeof waysFrom>;
let fromB: ReturnType<typeof waysFrom>;
let fromEdge: ReturnType<typeof waysFrom>;

beforeAll(async () => {
  lab = await raiseLab({ topology: twoSites, name: testLabName() });
  probers = {
    a2: startProber(lab, 'a2'),
    b1: startProber(lab, 'b1'),
    e1: startProber(lab, 'e1'),
  };
  fromA = waysFrom(lab, 'a2', probers.a2);
  fromB = waysFrom(lab, 'b1', probers.b1);
  fromEdge = waysFrom(lab, 'e1', probers.e1);
});
afterEach(() => clearFaults(lab));
afterAll(async () => {
  await Promise.all(Object.values(probers ?? {}).map((prober) => prober.stop()));
  await lab?.down();
});

describe.each([4, 6] as const)('over IPv%d path', (family) => {
  it.each([
    ['a2', 's1'],
    ['b1', 'e2'],
  ] as const)('by ICMP sees the hops of traceroute and mtr: %s to %s', async (from, to) => {
    const ways = from === 'a2' ? fromA : fromB;
    const outcome = await ways.compare({ to, family, protocol: 'icmp' });
    expect(outcome.body).toMatchObject({ method: 'raw', lossRatio: 0 });
  });

  it.each(['tcp', 'udp'] as const)('by %s goes the ways that traceroute goes', async (protocol) => {
    const outcome = await fromA.compare({ to: 's1', family, protocol });
    expect(outcome.body).toMatchObject({ protocol, lossRatio: 0 });
  });

  it('takes as long to the target as ping', async () => {
    const tools = kernelTools(lab);
    for (const [ways, from, to] of [
      [fromA, 'a2', 's1'],
      [fromB, 'b1', 'e2'],
    ] as const) {
      await oneOfThree(async () => {
        const { body } = await ways.trace({ to, family, protocol: 'icmp' }, { packetCount: 10 });
        const { minMs } = await tools.ping(from, to, { family });
        tell(`${from} to ${to}, IPv${family}: path ${body.rttMinMs?.toFixed(2)}, ping ${minMs} ms`);
        expect(Math.abs((body.rttMinMs ?? Number.NaN) - minMs)).toBeLessThan(1);
      });
    }
  });
});

const tell = (line: string): boolean => process.stdout.write(`${line}\n`);

describe('routers that answer badly and forward well', () => {
  const toServer: Way = { to: 's1', family: 4, protocol: 'icmp' };

  it('a silent one is a gap, not loss', async () => {
    await setFaults(lab, ['silent-exchange']);
    const outcome = await fromA.trace(toServer);
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(outcome.body).toMatchObject({ reached: true, lossRatio: 0 });
    expect(fromA.nodesOf(addressesOf(outcome)).slice(0, 5)).toEqual([
      'gwa',
      'ia1',
      'ia2',
      '*',
      't1',
    ]);
    expect(addressesOf(outcome)).toEqual(await fromA.traceroute(toServer));
  });

  it('one that limits its answers is no loss to the target', async () => {
    await setFaults(lab, ['limited-icmp-isp']);
    const outcome = await fromB.trace(toServer, { packetCount: 20 });
    const [hop] = outcome.body.hops.filter(({ ttl }) => ttl === 3);
    expect(hop?.receivedCount).toBeGreaterThan(0);
    expect(hop?.receivedCount).toBeLessThan(15);
    expect(hop?.state).toBe('limited');
    // The others answer: of them nothing is said.
    const others = outcome.body.hops.filter(({ ttl }) => ttl !== 3);
    expect(others.map(({ state }) => state)).toEqual(others.map(() => 'answering'));
    expect(outcome.body).toMatchObject({ reached: true, lossRatio: 0 });
    expect(fromA.nodesOf(addressesOf(outcome)).slice(0, 4)).toEqual(['gwb', 'ib1', 'ib2', 'ix']);
    expect(outcome.body.hops.at(-1)).toMatchObject({ receivedCount: 20 });
  });

  it('one that answers late makes neither the next hop nor the target late', async () => {
    const usual = await fromA.trace(toServer);
    await setFaults(lab, ['late-icmp-isp']);
    const { body } = await fromA.trace(toServer);
    expect(body.hops[2]?.rttMinMs).toBeGreaterThan(150);
    for (const hop of body.hops.slice(3)) expect(hop.rttMinMs).toBeLessThan(100);
    expect(body.lossRatio).toBe(0);
    expect(body.rttMinMs).toBeLessThan((usual.body.rttMinMs ?? 0) + 10);
    expect(body.routeHash).toBe(usual.body.routeHash);
  });
});

/** The tunnel's packets go from the device to the edge; what it carries goes on from there. */
describe('the path MTU of the ways that the tunnel takes', () => {
  const mtuTo = async (ways: typeof fromA, to: string) => {
    const outcome = await ways.trace({ to, family: 4, protocol: 'icmp' }, { mtu: true });
    expect(outcome).toMatchObject({ failure: null, body: { reached: true, lossRatio: 0 } });
    return outcome.body.mtu;
  };
  const whole = { bytes: 1_500, blackHole: false, toldBy: null };
  // The narrow end of a veth takes four bytes more than its MTU from the other: room for a VLAN tag.
  const hole = { bytes: 1_284, blackHole: true, toldBy: null };

  it('has a hole between device and edge, where large packets vanish and pings pass', async () => {
    expect(await mtuTo(fromA, 'e1')).toEqual(whole);
    await setFaults(lab, ['isp-a-mtu-hole']);
    expect(await mtuTo(fromA, 'e1')).toEqual(hole);
    // The edge's own way on has none.
    expect(await mtuTo(fromEdge, 's1')).toEqual(whole);
  });

  it('has one between edge and application that no device sees', async () => {
    await setFaults(lab, ['transit-mtu-hole']);
    expect(await mtuTo(fromEdge, 's1')).toEqual(hole);
    expect(await mtuTo(fromA, 'e1')).toEqual(whole);
  });

  it('is what a narrower router says it is, and then no hole', async () => {
    await setFaults(lab, [
      {
        name: 'narrow-link',
        kinds: [],
        what: 'The exchange sends no more than 1,400 bytes at once to the edge, and says so.',
        actions: [{ do: 'mtu', direction: 'ix>e1', bytes: 1_400, silent: false }],
        truth: { blame: 'nobody' },
        settleMs: 0,
      },
    ]);
    const mtu = await mtuTo(fromA, 'e1');
    expect(mtu).toMatchObject({ bytes: 1_400, blackHole: false });
    expect(fromA.nodesOf([mtu?.toldBy ?? null])).toEqual(['ix']);
  });
});

it('loss on the way is loss to the target, of its size', async () => {
  await setFaults(lab, ['isp-b-loss-up']);
  const runs = await Promise.all(
    Array.from({ length: 5 }, () =>
      fromB.trace({ to: 's1', family: 4, protocol: 'icmp' }, { packetCount: 20 }),
    ),
  );
  const meanLoss = runs.reduce((sum, { body }) => sum + (body.lossRatio ?? 0), 0) / runs.length;
  tell(`20 % of 100 packets lost on the way: ${(100 * meanLoss).toFixed(0)} % told`);
  // Four standard deviations of 100 draws.
  expect(meanLoss).toBeGreaterThan(0.04);
  expect(meanLoss).toBeLessThan(0.36);
});

it('a path change changes the route’s hash, and changing back brings the old one back', async () => {
  const way: Way = { to: 's1', family: 4, protocol: 'icmp' };
  const usual = await fromA.trace(way);
  await setFaults(lab, ['transit-detour']);
  const detour = await fromA.trace(way);
  expect(fromA.nodesOf(addressesOf(detour)).slice(3, 6)).toEqual(['ix', 'far', 't1']);
  expect(addressesOf(detour)).toEqual(await fromA.traceroute(way));
  expect(detour.body.routeHash).not.toBe(usual.body.routeHash);
  expect((detour.body.rttMinMs ?? 0) - (usual.body.rttMinMs ?? 0)).toBeGreaterThan(40);
  await clearFaults(lab);
  const after = await fromA.trace(way);
  expect(after.body.routeHash).toBe(usual.body.routeHash);
});
