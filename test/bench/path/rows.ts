import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { large } from '#test/lab/topology/large.ts';
import type { Topology } from '#test/lab/topology/topology.ts';
import { twoSites } from '#test/lab/topology/two-sites.ts';
import { type ChainLab, raiseChain } from '#test/probes/path/chain-lab.ts';
import type { Row } from '../rows.ts';
import { compareBranches, compareHops, compareTime } from './peers.ts';
import { judgeLoss } from './verdict.ts';
import { compareWithWire } from './wire.ts';

export const pathParts = [
  'path-rtt',
  'path-many',
  'path-hops',
  'path-time',
  'path-branches',
  'path-verdict',
] as const;
export type PathPart = (typeof pathParts)[number];

/** Paths beside the wire, traceroute, mtr and scamper, in networks of namespaces made for it. */
export const pathRows = async (
  parts: ReadonlySet<PathPart>,
  verdictRuns: number,
): Promise<Row[]> => {
  const when = async (part: PathPart, rows: () => Promise<Row[]>): Promise<Row[]> =>
    parts.has(part) ? rows() : [];
  return [
    ...(await when('path-rtt', () => inChain(compareWithWire))),
    ...(await when('path-many', () => inChain(manyTargets))),
    ...(await when('path-hops', hopsEverywhere)),
    ...(await when('path-time', () =>
      inLab(large, 'a2', (lab, prober) => compareTime(lab, prober, silenceBackbone(lab))),
    )),
    ...(await when('path-branches', async () =>
      hasScamper() ? inLab(large, 'a2', compareBranches) : [],
    )),
    ...(await when('path-verdict', () =>
      inLab(large, 'a2', (lab, prober) => judgeLoss(lab, prober, verdictRuns)),
    )),
  ];
};

/** On every topology the lab has; ways from one end of it to the others. */
const hopsEverywhere = async (): Promise<Row[]> => [
  ...(await inChain(async ({ lab }) => {
    const prober = startProber(lab, 'h');
    try {
      return await compareHops(lab, prober, { from: 'h', to: ['t'] });
    } finally {
      await prober.stop();
    }
  })),
  ...(await inLab(twoSites, 'a2', (lab, prober) =>
    compareHops(lab, prober, { from: 'a2', to: ['e1', 'e2', 's1', 'col'] }),
  )),
  ...(await inLab(large, 'a2', (lab, prober) =>
    compareHops(lab, prober, { from: 'a2', to: ['s1', 's2', 's3', 'e1', 'e2'] }),
  )),
];

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

const inLab = async (
  topology: Topology,
  node: string,
  work: (lab: Lab, prober: LabProber) => Promise<Row[]>,
): Promise<Row[]> => {
  const lab = await raiseLab({ topology, name: testLabName() });
  const prober = startProber(lab, node);
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
