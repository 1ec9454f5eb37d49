import type { EvidenceLine } from '../accepted.ts';
import type { Delta, LossCount } from '../bin-view.ts';
import type { Crossing } from './applies.ts';
import type { Group } from './group.ts';
import { isHot, isLossHot, ownOfPath } from './own.ts';
import type { Path, Unit } from './unit.ts';

/** Numbers that bear a cause out on one device, and those that were looked at and are clean. */
export const evidenceOf = ({
  group,
  kind,
  unit,
  crossing,
  measuringCount,
}: {
  group: Group;
  kind: 'delay' | 'loss';
  unit: Unit;
  crossing: Crossing | undefined;
  measuringCount: number;
}): EvidenceLine[] => [
  ...(kind === 'delay' ? delayLines(unit, crossing) : lossLines(unit)),
  ...(crossing === undefined ? [] : hopsOf[kind](crossing.path)),
  ...pathChange(crossing?.path),
  ...observers(group, measuringCount),
  ...lagLine(unit),
  ...(group.about.evidence?.(unit) ?? []),
];

const delayLines = ({ device }: Unit, crossing: Crossing | undefined): EvidenceLine[] => {
  const own = crossing?.path.leg === 'onward' ? ownOfPath(crossing.unit, crossing.path) : null;
  const lines = [
    measured('The gateway', device?.gateway ?? null),
    measured('The edge outside the tunnel', device?.underlay ?? null),
    measured('The edge inside the tunnel', device?.tunnel ?? null),
    measured('The tunnel’s send queue', device?.queue ?? null),
    measured('The edge’s handshake with the application', own),
  ];
  return lines.flat();
};

const measured = (what: string, delta: Delta | null): EvidenceLine[] =>
  delta === null || !delta.ready
    ? []
    : [
        {
          finding: isHot(delta) ? 'against' : 'cleared',
          text: `${what} takes ${round(delta.nowMs)} ms, normally ${round(delta.normalMs)} ms.`,
          value: round(delta.nowMs),
          baseline: round(delta.normalMs),
          unit: 'ms',
        },
      ];

const lossLines = ({ device }: Unit): EvidenceLine[] =>
  [
    lost('to the gateway', device?.gatewayLoss ?? null),
    lost('to the edge outside the tunnel', device?.underlayLoss ?? null),
    lost('through the tunnel', device?.tunnelLoss ?? null),
  ].flat();

const lost = (what: string, loss: LossCount | null): EvidenceLine[] =>
  loss === null || loss.sent === 0
    ? []
    : [
        {
          finding: isLossHot(loss) ? 'against' : 'cleared',
          text: `${Math.round(loss.lost)} of ${Math.round(loss.sent)} packets ${what} were lost.`,
          value: loss.lost / loss.sent,
          baseline: loss.normalRatio,
          unit: 'ratio',
        },
      ];

/** Hops that lose beyond their usual share from one on, and the last before them that does not. */
const lossyHops = ({ trace }: Path): EvidenceLine[] => {
  const known = (trace?.hops ?? []).flatMap(({ address, ttl, loss }) =>
    address === null || loss === null || loss.sent === 0 ? [] : [{ address, ttl, loss }],
  );
  const from = known.findLastIndex(({ loss }) => !isLossHot(loss)) + 1;
  const [clean, first] = [known[from - 1], known[from]];
  // Of few packets a small loss shows nowhere: then no hop is called clean either.
  if (first === undefined) return [];
  return [
    ...(clean === undefined ? [] : [lossyHop('The last hop that loses nothing new,', clean)]),
    lossyHop('The first hop from which on all lose,', first),
  ];
};

const lossyHop = (
  what: string,
  { address, ttl, loss }: { address: string; ttl: number; loss: LossCount },
): EvidenceLine => ({
  finding: isLossHot(loss) ? 'against' : 'cleared',
  text: `${what} ${address} (hop ${ttl}), left ${Math.round(loss.lost)} of ${Math.round(loss.sent)} packets unanswered.`,
  value: loss.lost / loss.sent,
  baseline: loss.normalRatio,
  unit: 'ratio',
});

/** The first slow hop from which on all are slow, the last clean one before, and odd ones that do not count. */
const slowHops = ({ trace }: Path): EvidenceLine[] => {
  const known = (trace?.hops ?? []).filter(
    ({ address, delta }) => address !== null && delta?.ready,
  );
  const slow = known.map(({ delta }) => isHot(delta));
  const from = slow.lastIndexOf(false) + 1;
  const [clean, first] = [known[from - 1], known[from]];
  const odd = known.filter((_, at) => at < from && slow[at]);
  return [
    ...(clean === undefined ? [] : hopLine('The last clean hop', clean, 'cleared')),
    ...(first === undefined ? [] : hopLine('The first slow hop', first, 'against')),
    ...odd
      .slice(0, 2)
      .flatMap((hop) => hopLine('Slow to answer, but later hops are not:', hop, 'context')),
  ];
};

const hopsOf = { delay: slowHops, loss: lossyHops };

type Hop = NonNullable<Path['trace']>['hops'][number];

const hopLine = (what: string, hop: Hop, finding: EvidenceLine['finding']): EvidenceLine[] => {
  if (hop.delta === null) return [];
  const [now, normal] = [round(hop.delta.nowMs), round(hop.delta.normalMs)];
  return [
    {
      finding,
      text: `${what} ${hop.address} (hop ${hop.ttl}) answers in ${now} ms, normally ${normal} ms.`,
      value: now,
      baseline: normal,
      unit: 'ms',
    },
  ];
};

const pathChange = (path: Path | undefined): EvidenceLine[] => {
  const changedAtMs = path?.trace?.changedAtMs ?? null;
  if (changedAtMs === null) return [];
  const at = new Date(changedAtMs).toISOString().slice(0, 16);
  return [
    {
      finding: 'context',
      text: `The path changed at ${at}Z.`,
      value: changedAtMs,
      baseline: null,
      unit: 'epoch ms',
    },
  ];
};

const observers = ({ ids, onwardCount }: Group, measuringCount: number): EvidenceLine[] => {
  const unitCount = ids.length;
  if (unitCount < 2) return [];
  const what = onwardCount === unitCount ? 'ways from edges to applications' : 'devices and edges';
  return [
    {
      finding: 'context',
      text: `${unitCount} ${what} cross it, ${measuringCount} of them measured.`,
      value: unitCount,
      baseline: null,
      unit: '',
    },
  ];
};

const lagLine = ({ device }: Unit): EvidenceLine[] =>
  device?.lag == null || isHot(device.lag)
    ? []
    : [
        {
          finding: 'cleared',
          text: 'The device itself is not late: its program’s delay is as usual.',
          value: round(device.lag.nowMs),
          baseline: round(device.lag.normalMs),
          unit: 'ms',
        },
      ];

const round = (ms: number): number => Math.round(ms * 10) / 10;
