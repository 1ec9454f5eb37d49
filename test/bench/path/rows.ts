import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { large } from '#test/lab/topology/large.ts';
import { type ChainLab, raiseChain } from '#test/probes/path/chain-lab.ts';
import { compareBranches, compareHops, compareTime } from './peers.ts';
import type { Row } from './row.ts';
import { judgeLoss } from './verdict.ts';
import { compareWithWire } from './wire.ts';

export const pathParts = ['wire', 'many', 'hops', 'time', 'branches', 'verdict'] as const;
type Part = (typeof pathParts)[number];

/** Paths beside the wire, traceroute, mtr and scamper, in networks of namespaces made for it. */
export const pathRows = async (options: {
  parts: readonly Part[];
  verdictRuns: number;
}): Promise<Row[]> => {
  const wants = (...parts: Part[]) => parts.some((part) => options.parts.includes(part));
  const rows: Row[] = [];
  if (wants('wire')) rows.push(...(await inChain(compareWithWire)));
  if (wants('many')) rows.push(...(await inChain(manyTargets)));
  if (!wants('hops', 'branches', 'time', 'verdict')) return rows;
  return inLarge(async (lab, prober) => [
    ...rows,
    ...(wants('hops') ? await compareHops(lab, prober) : []),
    ...(wants('time') ? await compareTime(lab, prober, silenceBackbone(lab)) : []),
    ...(wants('branches') && hasScamper() ? await compareBranches(lab, prober) : []),
    ...(wants('verdict') ? await judgeLoss(lab, prober, options.verdictRuns) : []),
  ]);
};

/** `apt-get install scamper` */
export const hasScamper = (): boolean => existsSync('/usr/bin/scamper');

const inChain = async (work: (chain: ChainLab) => Promise<Row[]>): Promise<Row[]> => {
  const chain = await raiseChain(4);
  try {
    return await work(chain);
  } finally {
    await chain.lab.down();
  }
};

const inLarge = async (work: (lab: Lab, prober: LabProber) => Promise<Row[]>): Promise<Row[]> => {
  const lab = await raiseLab({ topology: large, name: testLabName() });
  const prober = startProber(lab, 'a2');
  try {
    return await work(lab, prober);
  } finally {
    await prober.stop();
    await lab.down();
  }
};

const manyScript = fileURLToPath(new URL('./many-targets.ts', import.meta.url));

/** A thousand targets behind the chain, all of them addresses of its end. */
const manyTargets = async (chain: ChainLab): Promise<Row[]> => {
  await chain.run('t', 'ip', 'route', 'add', 'local', '10.88.0.0/22', 'dev', 'lo');
  for (const node of ['h', 'r1', 'r2', 'r3', 'r4']) {
    const route = await chain.run(node, 'ip', '-o', 'route', 'get', chain.target4);
    const [, via = ''] = /via (\S+)/.exec(route) ?? [];
    const [, device = ''] = /dev (\S+)/.exec(route) ?? [];
    const way = via === '' ? ['via', chain.target4, 'onlink'] : ['via', via];
    await chain.run(node, 'ip', 'route', 'add', '10.88.0.0/22', ...way, 'dev', device);
  }
  const told = JSON.parse(
    await chain.run('h', process.execPath, '--import', 'tsx', manyScript, '10.88.0.1', '1000'),
  ) as { sent: number; answered: number; crossed: number; elapsedMs: number };
  const rate = told.answered / (told.elapsedMs / 1_000);
  const base = { peer: null, ratio: null };
  return [
    {
      ...base,
      name: `ICMP echoes to 1,000 targets, ${told.sent} sent, ${told.sent - told.answered} lost`,
      unit: '/s',
      ours: Math.round(rate),
      target: '≥ 5000',
      met: rate >= 5_000,
    },
    {
      ...base,
      name: 'answers taken for another target’s',
      unit: `of ${told.answered}`,
      ours: told.crossed,
      target: '0',
      met: told.crossed === 0,
    },
  ];
};

const silenceBackbone = (lab: Lab) => async () => {
  const rule = 'icmp type time-exceeded drop';
  const table = 'inet silent';
  await lab.exec('p1', 'nft', [
    `add table ${table}; add chain ${table} c { type filter hook output priority 0; }`,
  ]);
  await lab.exec('p1', 'nft', [`add rule ${table} c ${rule}`]);
  return async () => void (await lab.exec('p1', 'nft', [`delete table ${table}`]));
};
