import type { CauseFamily, Evidence, Segment } from '#contract/verdict.ts';
import { clean } from '../../evidence.ts';
import { capital, sayCount } from '../../wording.ts';
import type { Accepted } from '../accepted.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { checksOf } from './checks.ts';
import type { Part } from './part.ts';
import { apartFrom, meets, suffering } from './reach-words.ts';

/** Numbers for and against: the first causes' own, who else has it, and what was checked and cleared. */
export const evidenceOf = (pair: PairInView, scene: BinScene): Evidence[] => {
  const { device, app, parts } = pair;
  const blamed = new Set<Segment>(parts.slice(0, 2).map(({ blame }) => blame.segment));
  const own = parts
    .slice(0, 3)
    .flatMap(({ blame }) => [
      ...blame
        .evidenceFor(device.index, app.appId)
        .map((line): Evidence => ({ ...line, segment: blame.segment })),
      ...countLines(blame, scene),
    ]);
  const lines = [...failureLine(pair), ...own, ...rivalLine(pair)];
  const checks = checksOf(pair, { blamed, wayIsTold: tellsWay(parts) }, scene);
  return inWords([...lines, ...checks], scene).sort((a, b) => order[a.finding] - order[b.finding]);
};

/** As people read it: ids by their names, and no more than the contract lets through. */
export const inWords = (lines: readonly Evidence[], { names }: Pick<BinScene, 'names'>) =>
  clean(lines.map((line) => ({ ...line, text: capital(names.inText(line.text)) })));

const order = { against: 0, cleared: 1, context: 2 } as const;

/** Causes on a way tell of every stretch of it themselves, what is clean among it too. */
const tellsWay = ([top]: readonly Part[]): boolean =>
  top !== undefined && top.blame.kind === 'delay' && ways.has(top.blame.family);

const ways: ReadonlySet<CauseFamily> = new Set([
  'wifi',
  'gateway',
  'last-mile',
  'isp-region',
  'link',
  'router',
  'as',
  'tunnel-client',
  'tunnel-cohort',
]);

const countLines = (blame: Accepted, scene: BinScene): Evidence[] => {
  const incident = scene.byBlame.get(blame);
  if (incident === undefined || blame.scope === 'device') return [];
  const apart = apartFrom(blame, scene.findings);
  return [
    {
      finding: 'against',
      segment: blame.segment,
      text: `${suffering(blame.kind, incident.deviceCount, true)}, ${sayCount(incident.pairCount, 'pair')} of device and application in all.`,
      value: incident.deviceCount,
      baseline: null,
      unit: 'devices',
    },
    ...healthyLine(blame),
    ...(apart === null || apart === 0 ? [] : [apartLine(blame, apart)]),
  ];
};

const healthyLine = ({ healthyCount, observerCount, segment }: Accepted): Evidence[] =>
  healthyCount === 0
    ? []
    : [
        {
          finding: 'context',
          segment,
          text: `${sayCount(healthyCount, 'observer')} of ${observerCount} that meet it show nothing.`,
          value: healthyCount,
          baseline: observerCount,
          unit: 'observers',
        },
      ];

const apartLine = (blame: Accepted, apart: number): Evidence => ({
  finding: 'cleared',
  segment: null,
  text: `${sayCount(apart, 'device')} that ${apart === 1 ? 'does' : 'do'} not ${meets(blame)} ${apart === 1 ? 'is' : 'are'} fine.`,
  value: apart,
  baseline: null,
  unit: 'devices',
});

const failureLine = ({ kind, app }: PairInView): Evidence[] =>
  kind !== 'failing'
    ? []
    : [
        {
          finding: 'against',
          segment: null,
          text: `${sayCount(app.runCount, 'run')} in this bin, none answered; the newest failed with ${app.failureType ?? 'no type'}.`,
          value: app.runCount,
          baseline: null,
          unit: 'runs',
        },
      ];

const rivalLine = ({ parts }: PairInView): Evidence[] => {
  const top = parts[0]?.blame;
  if (top === undefined || top.runnerUp === null || top.kind === 'failure') return [];
  return [
    {
      finding: 'context',
      segment: top.runnerUp.segment,
      text: `The next best explanation, ${top.runnerUp.element.name}, fits the measurements worse by ${top.marginNats.toFixed(1)} nats.`,
      value: top.marginNats,
      baseline: null,
      unit: 'nats',
    },
  ];
};
