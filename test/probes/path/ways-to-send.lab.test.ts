import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PathBody } from '#contract/body/path.ts';
import { check } from '#contract/check.ts';
import type { PathProbe } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { EchoAnswer } from '#probes/path/echo.ts';
import type { Outcome } from '#probes/probe.ts';
import { type ChainLab, raiseChain } from './chain-lab.ts';
import { pathProbe } from './path-probe.ts';

const runner = fileURLToPath(new URL('./run-paths.ts', import.meta.url));
const withoutRawSockets = [
  'setpriv',
  '--bounding-set=-net_raw',
  '--inh-caps=-net_raw',
  '--ambient-caps=-all',
];

let chain: ChainLab;
beforeAll(async () => {
  chain = await raiseChain(4);
});
afterAll(() => chain?.lab.down());

type Order = { probes: PathProbe[]; rounds?: number; echo?: string; sockets?: 'net-ping' };

const run = async (order: Order, prefix: readonly string[] = []) => {
  const words = [...prefix, process.execPath, '--import', 'tsx', runner, JSON.stringify(order)];
  const [command = '', ...rest] = words;
  const answer = JSON.parse(await chain.run('h', command, ...rest)) as {
    outcomes: Outcome<'path'>[][];
    echo: EchoAnswer | null;
  };
  for (const { body } of answer.outcomes.flat()) {
    expect(check(PathBody, body)).toMatchObject({ ok: true });
  }
  return answer;
};
const one = async (order: Order, prefix: readonly string[] = []): Promise<Outcome<'path'>> => {
  const [outcome] = (await run(order, prefix)).outcomes.flat();
  if (outcome === undefined) throw new Error('no outcome');
  return outcome;
};
const addressesOf = ({ body }: Outcome<'path'>) => body.hops.map(({ address }) => address);
const target = (family: 4 | 6) => (family === 4 ? chain.target4 : chain.target6);
const hops = (family: 4 | 6) => (family === 4 ? chain.hops4 : chain.hops6);

describe('without the right to raw sockets a path', () => {
  it.each([
    ['tcp', 4],
    ['tcp', 6],
    ['udp', 4],
    ['udp', 6],
  ] as const)('has all its hops by %s over IPv%d', async (protocol, family) => {
    const probe = pathProbe(target(family), { protocol, port: 33_434, packetCount: 3 });
    const outcome = await one({ probes: [probe] }, withoutRawSockets);
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(outcome.body).toMatchObject({ method: 'error-queue', protocol, lossRatio: 0 });
    expect(addressesOf(outcome)).toEqual(hops(family));
    expect(outcome.body.hops.every(({ receivedCount }) => receivedCount === 3)).toBe(true);
  });

  it.each([4, 6] as const)(
    'has them by ICMP over IPv%d where the kernel lets groups ping',
    async (family) => {
      await chain.run('h', 'sysctl', '-q', '-w', 'net.ipv4.ping_group_range=0 2147483647');
      const probe = pathProbe(target(family), { packetCount: 3 });
      const { outcomes, echo } = await run(
        { probes: [probe], echo: hops(family)[0] ?? '' },
        withoutRawSockets,
      );
      await chain.run('h', 'sysctl', '-q', '-w', 'net.ipv4.ping_group_range=1 0');
      const [outcome] = outcomes.flat();
      expect(outcome?.body).toMatchObject({
        method: 'error-queue',
        protocol: 'icmp',
        lossRatio: 0,
      });
      expect(outcome && addressesOf(outcome)).toEqual(hops(family));
      expect(echo && 'rttsMs' in echo ? echo.rttsMs : []).toHaveLength(5);
    },
  );

  it('goes by TCP where nobody may ping', async () => {
    const probe = pathProbe(chain.target4, { packetCount: 3 });
    const outcome = await one({ probes: [probe] }, withoutRawSockets);
    expect(outcome.body).toMatchObject({ method: 'error-queue', protocol: 'tcp', reached: true });
    expect(addressesOf(outcome)).toEqual(chain.hops4);
  });

  it('shows a silent hop as silent, though each probe of a connection waits for the one before', async () => {
    const speak = await chain.filterOutput('r2', 'icmp type time-exceeded drop');
    const probe = pathProbe(chain.target4, { protocol: 'tcp', packetCount: 3 });
    const outcome = await one({ probes: [probe] }, withoutRawSockets);
    await speak();
    expect(addressesOf(outcome)).toEqual(chain.hops4.with(1, null as never));
    expect(outcome.body.hops[1]?.state).toBe('silent');
    expect(outcome.body.lossRatio).toBe(0);
  });
});

describe('with net-ping alone a path', () => {
  it('has its hops by ICMP, and says so where the target was asked by TCP', async () => {
    const probes = [
      pathProbe(chain.target4, { packetCount: 3 }),
      pathProbe(chain.target4, { protocol: 'tcp', packetCount: 3, timeoutMs: 60_000 }),
    ];
    const { outcomes } = await run({ probes, sockets: 'net-ping' });
    const [icmp, tcp] = outcomes.flat();
    expect(icmp?.body).toMatchObject({ method: 'raw', protocol: 'icmp', lossRatio: 0 });
    expect(tcp?.body).toMatchObject({ protocol: 'tcp', hopProtocol: 'icmp', lossRatio: 0 });
    for (const outcome of [icmp, tcp]) expect(outcome && addressesOf(outcome)).toEqual(chain.hops4);
  });

  it('sees the target only where that is not permitted either', async () => {
    const probe = pathProbe(chain.target4, { packetCount: 3 });
    const outcome = await one({ probes: [probe], sockets: 'net-ping' }, withoutRawSockets);
    expect(outcome).toMatchObject({ failure: null });
    expect(outcome.body).toMatchObject({ method: 'unprivileged', protocol: 'tcp', hops: [] });
  });
});

describe('the path MTU', () => {
  const measure = async (family: 4 | 6, prefix: readonly string[] = []) => {
    const probe = pathProbe(target(family), {
      protocol: 'udp',
      port: 33_434,
      packetCount: 3,
      mtu: true,
    });
    return (await one({ probes: [probe] }, prefix)).body.mtu;
  };
  const narrow = async (bytes: number) => {
    const route = await chain.run('r2', 'ip', '-o', 'route', 'get', chain.target4);
    const device = /dev (\S+)/.exec(route)?.[1] ?? '';
    await chain.run('r2', 'ip', 'link', 'set', 'dev', device, 'mtu', `${bytes}`);
  };

  it.each([4, 6] as const)('over IPv%d is what all links carry', async (family) => {
    expect(await measure(family)).toEqual({ bytes: 1_500, blackHole: false, toldBy: null });
  });

  it.each([
    [4, []],
    [6, []],
    [4, withoutRawSockets],
    [6, withoutRawSockets],
  ] as const)('over IPv%d is what a narrower router says (%j)', async (family, prefix) => {
    await narrow(1_400);
    const mtu = await measure(family, prefix);
    await narrow(1_500);
    expect(mtu).toEqual({ bytes: 1_400, blackHole: false, toldBy: hops(family)[1] });
  });

  it('has a hole where that router keeps silent: small packets pass, large ones vanish', async () => {
    await narrow(1_400);
    const speak = await chain.filterOutput('r2', 'icmp type destination-unreachable drop');
    const mtu = await measure(4);
    await speak();
    await narrow(1_500);
    expect(mtu).toEqual({ bytes: 1_400, blackHole: true, toldBy: null });
  });
});

describe('a route that changes', () => {
  it('is told with the hash that it had before', async () => {
    const probe = pathProbe(chain.target4, { packetCount: 3 });
    const steady = (await run({ probes: [probe], rounds: 2 })).outcomes.flat();
    expect(steady.map(({ body }) => body.formerRouteHash)).toEqual([undefined, undefined]);
    expect(steady[0]?.body.routeHash).toBe(steady[1]?.body.routeHash);

    const probes = Array.from({ length: 1 }, () => probe);
    const changing = run({ probes, rounds: 12 });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const speak = await chain.filterOutput('r3', 'icmp type time-exceeded drop');
    const outcomes = (await changing).outcomes.flat();
    await speak();
    const changed = outcomes.filter(({ body }) => body.formerRouteHash !== undefined);
    // Where the change fell before the first or after the last of them there is none to see.
    for (const { body } of changed) {
      expect(body.formerRouteHash).not.toBe(body.routeHash);
    }
    expect(new Set(outcomes.map(({ body }) => body.routeHash)).size).toBe(changed.length + 1);
  });
});

describe('a network that changes', () => {
  it('during a run makes it one that says nothing, with the reason', async () => {
    const route = (await chain.run('h', 'ip', '-4', 'route', 'show', 'default')).trim().split(' ');
    const script = fileURLToPath(new URL('./run-moving-agent.ts', import.meta.url));
    const words = ['--import', 'tsx', script, chain.target4, ...route];
    const results = JSON.parse(await chain.run('h', process.execPath, ...words)) as Result[];
    expect(results[0]).toMatchObject({ failure: null, availability: 1 });
    const discarded = results.find(({ failure }) => failure?.type === 'path.network_changed');
    expect(discarded).toMatchObject({ availability: 0, failure: { source: 'none' } });
    expect(discarded?.failure?.message).toContain('the default route changed during the run');
  });
});
