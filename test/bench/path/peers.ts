import { kernelTools } from '#test/lab/faults/kernel-tools.ts';
import type { Lab } from '#test/lab/lab.ts';
import type { LabProber } from '#test/lab/prober.ts';
import { addressesOf, waysFrom } from '#test/probes/path/lab-way.ts';
import { type Row, rounded } from '../rows.ts';

/** Hops by ICMP beside traceroute and mtr: which of the ways are the same in all three. */
export const compareHops = async (
  lab: Lab,
  prober: LabProber,
  { from, to: ends }: { from: string; to: readonly string[] },
): Promise<Row[]> => {
  const ways = waysFrom(lab, from, prober);
  let same = 0;
  let asked = 0;
  for (const to of ends) {
    for (const family of [4, 6] as const) {
      const way = { to, family, protocol: 'icmp' as const };
      const ours = JSON.stringify(addressesOf(await ways.trace(way)));
      const theirs = [await ways.traceroute(way), await ways.mtr(way)].map((hops) =>
        JSON.stringify(hops),
      );
      asked += 1;
      if (theirs.every((hops) => hops === ours)) same += 1;
      else console.log({ to, family, ours, theirs });
    }
  }
  return [
    {
      name: `${lab.topology.name}: ways whose hops are those of traceroute and mtr`,
      unit: `of ${asked}`,
      ours: same,
      peer: null,
      ratio: null,
      target: 'all',
      met: same === asked,
    },
  ];
};

/**
 * Addresses by hop, of hops that have several, as scamper's MDA finds them: its text is lines of
 * `address -> address` and `address -> (address, address)`, from the first hop on.
 */
const scamperBranches = async (lab: Lab, address: string): Promise<string[]> => {
  const order = `tracelb -P udp-sport -q 3 -g 3 ${address}`;
  const { stdout } = await lab.exec('a2', 'scamper', ['-O', 'text', '-I', order], {
    timeoutMs: 120_000,
  });
  const next = new Map<string, string[]>();
  let first: string | undefined;
  for (const line of stdout.split('\n').filter((one) => one.includes(' -> '))) {
    const [from = '', ...rest] = line
      .split(' -> ')
      .map((part) => part.match(/\d+(\.\d+){3}/g) ?? []);
    for (const [index, group] of [from, ...rest].entries()) {
      for (const one of group)
        next.set(one, [...(next.get(one) ?? []), ...([from, ...rest][index + 1] ?? [])]);
    }
    first ??= from[0];
  }
  const several: string[] = [];
  for (let level = new Set(first ? [first] : []), hop = 0; level.size > 0 && hop < 30; hop += 1) {
    if (level.size > 1) several.push(...level);
    level = new Set([...level].flatMap((one) => next.get(one) ?? []));
  }
  return several.sort();
};

export const compareBranches = async (lab: Lab, prober: LabProber): Promise<Row[]> => {
  const ways = waysFrom(lab, 'a2', prober);
  const asked = ['s1', 's2', 's3'];
  let same = 0;
  let found = 0;
  for (const to of asked) {
    const way = { to, family: 4 as const, protocol: 'udp' as const };
    const { body } = await ways.trace(way, { branches: true, packetCount: 3, timeoutMs: 60_000 });
    const branches = body.hops.flatMap((hop) => hop.branches ?? []);
    const ours = branches.map(({ address }) => address).sort();
    const theirs = await scamperBranches(lab, body.address ?? '');
    found += theirs.length;
    if (JSON.stringify(theirs) === JSON.stringify(ours)) same += 1;
    else console.log({ to, ours, theirs });
  }
  return [
    {
      name: `targets whose branches are those of scamper’s MDA (${found} addresses)`,
      unit: `of ${asked.length}`,
      ours: same,
      peer: null,
      ratio: null,
      target: 'all',
      met: same === asked.length,
    },
  ];
};

/** Three rounds of ours beside `mtr -c3` to the same target, once healthy, once with a silent hop. */
export const compareTime = async (
  lab: Lab,
  prober: LabProber,
  silence: () => Promise<() => Promise<void>>,
): Promise<Row[]> => {
  const ways = waysFrom(lab, 'a2', prober);
  const address = lab.addressesOf('s1')[0] ?? '';
  await kernelTools(lab).ping('a2', 's1', { family: 4 });
  const once = async (name: string, limit: number): Promise<Row> => {
    const way = { to: 's1', family: 4 as const, protocol: 'icmp' as const };
    await ways.trace(way, { packetCount: 3 });
    const { durationMs } = await ways.trace(way, { packetCount: 3 });
    const startedMs = performance.now();
    await lab.exec('a2', 'mtr', ['-n', '-c3', '--report', address], { timeoutMs: 60_000 });
    const mtrMs = performance.now() - startedMs;
    return {
      name,
      unit: 'ms',
      ours: Math.round(durationMs),
      peer: Math.round(mtrMs),
      ratio: rounded(durationMs / mtrMs),
      target: `ratio ≤ ${limit}`,
      met: durationMs / mtrMs <= limit,
    };
  };
  const healthy = await once('time to a full path beside mtr -c3, healthy', 0.1);
  const speak = await silence();
  const silent = await once('time to a full path beside mtr -c3, one silent hop', 0.2);
  await speak();
  return [healthy, silent];
};
