import type { Hop } from '#contract/body/path.ts';
import type { Lab } from '#test/lab/lab.ts';
import type { LabProber } from '#test/lab/prober.ts';
import { waysFrom } from '#test/probes/path/lab-way.ts';
import { type Row, rounded } from '../rows.ts';

/** As many at a time: more would ask the limited router more than any fleet does. */
const lanes = 3;
/** A branch is blamed for more than this, end to end. */
const blamedRatio = 0.02;

/**
 * 10 % of the packets on one of four equal paths are lost, and a router before them answers one
 * probe a second: which branch is blamed, and is the router?
 */
export const judgeLoss = async (lab: Lab, prober: LabProber, runs: number): Promise<Row[]> => {
  const ways = waysFrom(lab, 'a2', prober);
  await nft(lab, 'q2', 'forward', 'numgen random mod 10 0 drop');
  await nft(lab, 'ia2', 'output', 'icmp type time-exceeded limit rate over 1/second drop');
  let right = 0;
  let limitedBlamed = 0;
  let limitedSeen = 0;
  let done = 0;
  const told: number[] = [];
  const once = async () => {
    const { body } = await ways.trace(
      { to: 's1', family: 4, protocol: 'tcp' },
      { branches: true, packetCount: 20, timeoutMs: 60_000 },
    );
    const blamed = blamedAt(body.hops).map(({ address }) => ways.nodesOf([address])[0] ?? address);
    const limited = body.hops.find(({ address }) => ways.nodesOf([address])[0] === 'ia2');
    if (limited?.state === 'limited' || limited === undefined) limitedSeen += 1;
    if (blamed.includes('ia2')) limitedBlamed += 1;
    if (blamed[0] === 'q2') {
      right += 1;
      told.push(blamedAt(body.hops)[0]?.pathLossRatio ?? Number.NaN);
    } else console.log({ run: done, blamed, hops: JSON.stringify(body.hops) });
    done += 1;
  };
  const all = Array.from({ length: runs }, (_, index) => index);
  for (let from = 0; from < all.length; from += lanes) {
    await Promise.all(all.slice(from, from + lanes).map(once));
  }
  return [
    {
      name: `loss on one of four branches: the right one blamed, ${runs} runs (${rounded(100 * mean(told))} % told)`,
      unit: 'ratio',
      ours: rounded(right / runs),
      peer: null,
      ratio: null,
      target: '≥ 0.99',
      met: right / runs >= 0.99,
    },
    {
      name: `the rate-limited router blamed (marked as limited ${limitedSeen} times)`,
      unit: `of ${runs}`,
      ours: limitedBlamed,
      peer: null,
      ratio: null,
      target: '0',
      met: limitedBlamed === 0,
    },
  ];
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The branches that lose, from the device on: flows part at the first of them. */
const blamedAt = (hops: readonly Hop[]) =>
  hops
    .flatMap(({ branches }) => branches ?? [])
    .filter(({ pathLossRatio }) => (pathLossRatio ?? 0) > blamedRatio);

const nft = async (lab: Lab, node: string, hook: string, rule: string): Promise<void> => {
  const table = 'inet bench';
  const chain = `type filter hook ${hook} priority 0;`;
  await lab.exec(node, 'nft', [`add table ${table}; add chain ${table} c { ${chain} }`]);
  const { code, stderr } = await lab.exec(node, 'nft', [`add rule ${table} c ${rule}`]);
  if (code !== 0) throw new Error(`nft in ${node}: ${stderr}`);
};
