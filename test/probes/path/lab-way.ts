import { expect } from 'vitest';
import type { PathBody } from '#contract/body/path.ts';
import type { PathProbe } from '#contract/plan.ts';
import type { Outcome } from '#probes/probe.ts';
import type { Lab } from '#test/lab/lab.ts';
import type { LabProber } from '#test/lab/prober.ts';
import { pathProbe } from './path-probe.ts';

type Family = 4 | 6;
export type Way = { to: string; family: Family; protocol: PathBody['protocol'] };

/** `traceroute`'s own word for each, with the ports that path asks. */
const tracerouteArguments = {
  icmp: ['-I'],
  tcp: ['-T', '-p', '443'],
  udp: ['-U', '-p', '33434'],
} as const;

/** A way from a node as we see it and as the kernel's tools do: addresses hop by hop. */
export const waysFrom = (lab: Lab, node: string, prober: LabProber) => {
  const addressOf = (to: string, family: Family): string =>
    lab.addressesOf(to)[family === 4 ? 0 : 1] ?? '';
  const run = async (command: string, ...args: string[]): Promise<string> =>
    (await lab.exec(node, command, args, { timeoutMs: 30_000 })).stdout;

  const nodesOf = (addresses: readonly (string | null)[]): string[] =>
    addresses.map((address) => (address === null ? '*' : (lab.nodeOf(address) ?? address)));

  const ways = {
    nodesOf,
    trace: (way: Way, changes: Partial<PathProbe> = {}): Promise<Outcome<'path'>> =>
      prober.path(
        pathProbe(addressOf(way.to, way.family), {
          protocol: way.protocol,
          port: way.protocol === 'udp' ? 33_434 : 443,
          ...changes,
        }),
      ),
    async traceroute({ to, family, protocol }: Way): Promise<(string | null)[]> {
      const how = ['-n', '-q1', '-w3', `-${family}`, ...tracerouteArguments[protocol]];
      const lines = (await run('traceroute', ...how, addressOf(to, family))).trim().split('\n');
      return lines.slice(1).map((line) => answered(line.trim().split(/\s+/)[1]));
    },
    async mtr({ to, family, protocol }: Way): Promise<(string | null)[]> {
      const how: string[] = { icmp: [], tcp: ['-T', '-P', '443'], udp: ['-u'] }[protocol];
      const target = addressOf(to, family);
      const args = ['-n', `-${family}`, '-c3', '-i0.2', '-G1', '--json', ...how, target];
      const stdout = await run('mtr', ...args);
      const { report } = JSON.parse(stdout) as { report: { hubs: { host: string }[] } };
      return report.hubs.map(({ host }) => answered(host));
    },
    /** By the tables: per hop the nodes that may be there, several where paths are equal. */
    possible({ to, family }: Way): Set<string>[] {
      const isSwitch = (name: string) =>
        lab.topology.nodes.some((each) => each.name === name && each.role === 'switch');
      const paths = lab
        .routeBetween(node, to, family)
        .map((path) => path.slice(1).filter((name) => !isSwitch(name)));
      return (paths[0] ?? []).map((_, hop) => new Set(paths.map((path) => path[hop] ?? '')));
    },

    /** We, traceroute and mtr, one after the other, and what the tables allow: hop by hop the same. */
    async compare(way: Way): Promise<Outcome<'path'>> {
      const outcome = await ways.trace(way);
      expect(outcome).toMatchObject({ failure: null, availability: 1, body: { reached: true } });
      const ours = addressesOf(outcome);
      const others = [await ways.traceroute(way), await ways.mtr(way)];
      // A flow of ICMP has no ports: all of them take the same of several equal paths.
      if (way.protocol === 'icmp') for (const other of others) expect(ours).toEqual(other);
      const expected = ways.possible(way);
      for (const seen of [ours, ...others]) {
        const nodes = nodesOf(seen);
        expect(nodes, seen.join(' ')).toHaveLength(expected.length);
        for (const [hop, node] of nodes.entries())
          expect([...(expected[hop] ?? [])]).toContain(node);
      }
      expect(ours.at(-1)).toBe(outcome.body.address);
      return outcome;
    },
  };
  return ways;
};

export const addressesOf = ({ body }: Outcome<'path'>): (string | null)[] =>
  body.hops.map(({ address }) => address);

const answered = (host: string | undefined): string | null =>
  host === undefined || host === '*' || host === '???' ? null : host;
