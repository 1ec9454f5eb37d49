import type { CauseFamily, Evidence, Segment } from '#contract/verdict.ts';
import { sayCount } from '../../wording.ts';
import type { Accepted } from '../accepted.ts';
import type { BinScene, PairInView } from './bin-scene.ts';
import { checksOf } from './checks.ts';
import type { Part } from './part.ts';

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
  const lines = [...failureLine(pair), ...own, ...rivalLine(pair, scene)];
  return [...lines, ...checksOf(pair, { blamed, wayIsTold: tellsWay(parts) }, scene)].sort(
    (a, b) => order[a.finding] - order[b.finding],
  );
};

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

const countLines = (blame: Accepted, { byBlame, findings }: BinScene): Evidence[] => {
  const incident = byBlame.get(blame);
  if (incident === undefined || blame.scope === 'device') return [];
  const lines: Evidence[] = [
    {
      finding: 'against',
      segment: blame.segment,
      text: `${sayCount(incident.deviceCount, 'device')} ${incident.deviceCount === 1 ? 'is' : 'are'} noticeably slower by it, with ${sayCount(incident.pairCount, 'application')} in all.`,
      value: incident.deviceCount,
      baseline: null,
      unit: 'devices',
    },
  ];
  if (blame.healthyCount > 0) {
    lines.push({
      finding: 'context',
      segment: blame.segment,
      text: `${sayCount(blame.healthyCount, 'observer')} of ${blame.observerCount} that meet it show nothing.`,
      value: blame.healthyCount,
      baseline: blame.observerCount,
      unit: 'observers',
    });
  }
  const apart = findings.fineDeviceCount - blame.healthyCount;
  if (apart > 0) {
    lines.push({
      finding: 'cleared',
      segment: null,
      text: `${sayCount(apart, 'device')} that ${apart === 1 ? 'does' : 'do'} not meet it ${apart === 1 ? 'is' : 'are'} fine.`,
      value: apart,
      baseline: null,
      unit: 'devices',
    });
  }
  return lines;
};

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

const rivalLine = ({ parts }: PairInView, { names }: BinScene): Evidence[] => {
  const top = parts[0]?.blame;
  if (top === undefined || top.runnerUp === null || top.kind === 'failure') return [];
  return [
    {
      finding: 'context',
      segment: top.runnerUp.segment,
      text: `The next best explanation, ${names.inText(top.runnerUp.element.name)}, fits the measurements worse by ${top.marginNats.toFixed(1)} nats.`,
      value: top.marginNats,
      baseline: null,
      unit: 'nats',
    },
  ];
};
