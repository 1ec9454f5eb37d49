import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PathBody } from '#contract/body/path.ts';
import { check } from '#contract/check.ts';
import type { PathProbe } from '#contract/plan.ts';
import type { EchoAnswer } from '#probes/path/echo.ts';
import type { Outcome } from '#probes/probe.ts';
import { type ChainLab, raiseChain } from './chain-lab.ts';
import { pathProbe } from './path-probe.ts';

const runner = fileURLToPath(new URL('./run-paths.ts', import.meta.url));

describe('path in a network of four routers', () => {
  let chain: ChainLab;
  beforeAll(async () => {
    chain = await raiseChain(4);
  });
  afterAll(() => chain.lab.down());

  const runAll = async (order: { probes: PathProbe[]; rounds?: number; echo?: string }) => {
    const stdout = await chain.run(
      'h',
      process.execPath,
      '--import',
      'tsx',
      runner,
      JSON.stringify(order),
    );
    const answer = JSON.parse(stdout) as { outcomes: Outcome<'path'>[][]; echo: EchoAnswer | null };
    for (const outcome of answer.outcomes.flat()) {
      expect(check(PathBody, outcome.body)).toMatchObject({ ok: true });
    }
    return answer;
  };
  const runOne = async (probe: PathProbe): Promise<Outcome<'path'>> => {
    const [outcome] = (await runAll({ probes: [probe] })).outcomes.flat();
    if (outcome === undefined) throw new Error('no outcome');
    return outcome;
  };
  const addressesOf = ({ body }: Outcome<'path'>) => body.hops.map(({ address }) => address);

  /** Second column of `traceroute -n`. */
  const traceroute = async (...args: string[]): Promise<string[]> => {
    const stdout = await chain.run('h', 'traceroute', '-n', '-q1', ...args);
    return stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/)[1] ?? '');
  };
  const mtr = async (address: string) => {
    const stdout = await chain.run('h', 'mtr', '-n', '-c3', '-i0.1', '--report', '--json', address);
    const { report } = JSON.parse(stdout) as {
      report: { hubs: { host: string; 'Loss%': number }[] };
    };
    return report.hubs.map(({ host }) => host);
  };

  it('sees the hops that traceroute and mtr see', async () => {
    const outcome = await runOne(pathProbe(chain.target4));
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(outcome.body).toMatchObject({ reached: true, method: 'raw', lossRatio: 0 });
    expect(addressesOf(outcome)).toEqual(chain.hops4);
    expect(await traceroute('-I', chain.target4)).toEqual(addressesOf(outcome));
    expect(await mtr(chain.target4)).toEqual(addressesOf(outcome));
  });

  it('sees them over IPv6', async () => {
    const outcome = await runOne(pathProbe(chain.target6));
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(addressesOf(outcome)).toEqual(chain.hops6);
    expect(await traceroute('-6', '-I', chain.target6)).toEqual(addressesOf(outcome));
    expect(await mtr(chain.target6)).toEqual(addressesOf(outcome));
  });

  it('gives each hop its own round trips, of a plausible size', async () => {
    const { body } = await runOne(pathProbe(chain.target4));
    for (const hop of body.hops) {
      expect(hop).toMatchObject({ sentCount: 5, receivedCount: 5 });
      expect(hop.rttMinMs).toBeGreaterThan(0);
      expect(hop.rttMinMs).toBeLessThanOrEqual(hop.rttMedianMs ?? -1);
      expect(hop.rttMedianMs).toBeLessThanOrEqual(hop.rttMaxMs ?? -1);
      expect(hop.rttMedianMs).toBeLessThan(50);
    }
    expect(body.jitterMs).toBeGreaterThanOrEqual(0);
  });

  it('does not flood a target whose distance it knows', async () => {
    await chain.run(
      't',
      'nft',
      'add table inet count; add chain inet count in { type filter hook input priority 0; }; add rule inet count in icmp type echo-request counter',
    );
    const counted = async (): Promise<number> => {
      const stdout = await chain.run('t', 'nft', 'list table inet count');
      return Number(/packets (\d+)/.exec(stdout)?.[1]);
    };
    await runAll({ probes: [pathProbe(chain.target4, { packetCount: 3 })], rounds: 1 });
    const first = await counted();
    await runAll({ probes: [pathProbe(chain.target4, { packetCount: 3 })], rounds: 2 });
    const both = await counted();
    await chain.run('t', 'nft', 'delete table inet count');
    // Five hops away: the first burst of 8 TTLs reaches it with 4, then 1 a round; known: 5 + 2 TTLs.
    expect(first).toBe(6);
    expect(both - first).toBe(6 + 5);
  });

  it('shows a silent hop as silent, and not as loss', async () => {
    const speak = await chain.filterOutput('r2', 'icmp type time-exceeded drop');
    const outcome = await runOne(pathProbe(chain.target4));
    await speak();
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(addressesOf(outcome)).toEqual(chain.hops4.with(1, null as never));
    expect(outcome.body.hops[1]).toMatchObject({ receivedCount: 0, rttMedianMs: null });
    expect(outcome.body.lossRatio).toBe(0);
  });

  it('shows what the target loses in lossRatio', async () => {
    const mend = await chain.filterOutput('t', 'icmp type echo-reply numgen inc mod 4 0 drop');
    const outcome = await runOne(pathProbe(chain.target4, { packetCount: 20 }));
    await mend();
    expect(outcome.failure).toBeNull();
    expect(outcome.body.lossRatio).toBeGreaterThanOrEqual(0.15);
    expect(outcome.body.lossRatio).toBeLessThanOrEqual(0.35);
    for (const hop of outcome.body.hops.slice(0, -1)) expect(hop.receivedCount).toBe(hop.sentCount);
  });

  it('says path.not_reached when the target never answers, with the hops that did', async () => {
    const mend = await chain.filterOutput('t', 'icmp type echo-reply drop');
    const outcome = await runOne(pathProbe(chain.target4, { packetCount: 3 }));
    await mend();
    expect(outcome).toMatchObject({ availability: 0, failure: { type: 'path.not_reached' } });
    expect(outcome.body).toMatchObject({ reached: false, lossRatio: 1, rttMedianMs: null });
    expect(addressesOf(outcome)).toEqual(chain.hops4.slice(0, -1));
  });

  it('tells apart a router that says it cannot deliver', async () => {
    await chain.run('r2', 'ip', 'route', 'add', 'unreachable', '10.99.0.0/24');
    const next = chain.lab.linkAddresses('r2', 'r1').address4;
    await chain.run('r1', 'ip', 'route', 'add', '10.99.0.0/24', 'via', next);
    const outcome = await runOne(pathProbe('10.99.0.7', { packetCount: 3 }));
    expect(outcome.failure).toMatchObject({
      type: 'path.not_reached',
      message: 'the router at hop 2 says it cannot deliver',
    });
    expect(addressesOf(outcome)).toEqual(chain.hops4.slice(0, 2));
  });

  it('measures the target by TCP where ICMP is dropped; a refusal is an answer', async () => {
    const mend = await chain.filterOutput('t', 'icmp type echo-reply drop');
    const outcome = await runOne(pathProbe(chain.target4, { protocol: 'tcp' }));
    await mend();
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(outcome.body).toMatchObject({ protocol: 'tcp', method: 'raw', lossRatio: 0 });
    expect(addressesOf(outcome)).toEqual(chain.hops4);
  });

  it('by TCP tells the loss there is and no false round trips, though what ends handshakes is lost too', async () => {
    const listen = "nohup $0 -e 'net.createServer().listen(443)' >/dev/null 2>&1 & echo $!";
    const listener = (await chain.run('t', 'sh', '-c', listen, process.execPath)).trim();
    const hook = '{ type filter hook forward priority 0; }';
    // A tenth each way, 19 % of the round trips: SYNs, answers, and the RSTs that free the server.
    const drop = 'meta l4proto tcp numgen random mod 10 0 drop';
    await chain.run('r2', 'nft', `add table ip lossy; add chain ip lossy f ${hook}`);
    await chain.run('r2', 'nft', `add rule ip lossy f ${drop}`);
    const probe = pathProbe(chain.target4, { protocol: 'tcp', packetCount: 20, flows: 8 });
    const { body } = await runOne({ ...probe, timeoutMs: 30_000 });
    await chain.run('r2', 'nft', 'delete table ip lossy');
    await chain.run('t', 'kill', listener);
    expect(body.lossRatio).toBeGreaterThan(0.08);
    expect(body.lossRatio).toBeLessThan(0.3);
    // Each flow is asked every 50 ms: an answer taken for that of a SYN before is at least so late.
    expect(body.hops.at(-1)?.rttMaxMs).toBeLessThan(45);
  });

  it('measures the target by UDP from its port-unreachable answers', async () => {
    const outcome = await runOne(pathProbe(chain.target4, { protocol: 'udp', port: 33_434 }));
    expect(outcome).toMatchObject({ failure: null, availability: 1 });
    expect(outcome.body).toMatchObject({ protocol: 'udp', method: 'raw', reached: true });
    expect(addressesOf(outcome)).toEqual(chain.hops4);
  });

  it('keeps the answers of twenty targets apart that are traced at once', async () => {
    const extra = Array.from({ length: 20 }, (_, index) => `10.88.0.${index + 1}`);
    // Every router owns some of the addresses, so that each distance is different.
    const names = chain.lab.topology.nodes.map(({ name }) => name);
    const ownerOf = (index: number) => 1 + (index % (names.length - 1));
    for (const [index, address] of extra.entries()) {
      const owner = ownerOf(index);
      await chain.run(names[owner] ?? '', 'ip', 'addr', 'add', `${address}/32`, 'dev', 'lo');
      // The device needs no route: its default leads to the first router.
      for (let before = 1; before < owner; before += 1) {
        const [node = '', next = ''] = names.slice(before);
        const { address4 } = chain.lab.linkAddresses(next, node);
        await chain.run(node, 'ip', 'route', 'add', address, 'via', address4);
      }
    }
    const { outcomes } = await runAll({
      probes: extra.map((address) => pathProbe(address)),
      rounds: 2,
    });
    for (const round of outcomes) {
      for (const [index, outcome] of round.entries()) {
        const owner = ownerOf(index);
        expect(outcome.body.lossRatio).toBe(0);
        expect(addressesOf(outcome)).toEqual([...chain.hops4.slice(0, owner - 1), extra[index]]);
      }
    }
  });

  it('pings the gateway from the same child process', async () => {
    const { echo } = await runAll({ probes: [], echo: chain.hops4[0] ?? '' });
    expect(echo).toMatchObject({ sentCount: 5 });
    expect(echo && 'rttsMs' in echo ? echo.rttsMs : []).toHaveLength(5);
  });
});
