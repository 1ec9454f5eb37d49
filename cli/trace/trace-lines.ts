import type { Hop } from '#contract/body/path.ts';
import { endToEndOf } from '#probes/path/statistics.ts';
import { printableLine, showMs } from '../probe/lines.ts';
import { roundTripsOf, type TraceState, type TraceView } from './trace-state.ts';

/** A line, and how it is to look; the screen makes colors of it, a report does not. */
export type Line = { text: string; look: 'head' | 'plain' | 'quiet' | 'warn' };

const levels = '▁▂▃▄▅▆▇█';

/** Round trips as bars against the slowest shown; a dot is no answer. */
export const sparkline = (rttsMs: readonly (number | null)[], topMs: number): string =>
  rttsMs
    .map((rttMs) => {
      if (rttMs === null) return '·';
      const level = Math.round((rttMs / Math.max(topMs, 0.001)) * (levels.length - 1));
      return levels[Math.min(levels.length - 1, level)] ?? ' ';
    })
    .join('');

type Figure = {
  name: string;
  width: number;
  of(hop: Hop, rttsMs: readonly (number | null)[]): string;
};

/** `~` where the router answers clearly less than it lets through: that is no loss. */
const answered: Figure = {
  name: 'answered',
  width: 9,
  of: ({ receivedCount, sentCount, state }) =>
    `${state === 'limited' ? '~' : ''}${percent(sentCount === 0 ? null : receivedCount / sentCount)}`,
};
const sent: Figure = { name: 'sent', width: 6, of: ({ sentCount }) => String(sentCount) };
const inMs = (
  name: string,
  of: (hop: Hop, rttsMs: readonly (number | null)[]) => number | null,
): Figure => ({ name, width: 9, of: (hop, rttsMs) => showMs(of(hop, rttsMs)) });
const best = inMs('best', ({ rttMinMs }) => rttMinMs);
const middle = inMs('median', ({ rttMedianMs }) => rttMedianMs);
const worst = inMs('worst', ({ rttMaxMs }) => rttMaxMs);
const last = inMs('last', (_hop, rttsMs) => rttsMs.at(-1) ?? null);
const jitter = inMs('jitter', (_hop, rttsMs) => endToEndOf(rttsMs).jitterMs);

const fewFigures = [answered, best, middle, worst];
const allFigures = [answered, sent, last, best, middle, worst, jitter];
const widthOf = (figures: readonly Figure[]): number =>
  figures.reduce((sum, { width }) => sum + width, 0);

/** Room for an address of IPv6; more where the terminal has it. */
const leastNameWidth = 16;
const leastSparkWidth = 11;
const numberWidth = 4;

type Columns = { names: number; owners: number; figures: readonly Figure[]; sparks: number };

/** As many figures as fit beside an address, and on a screen beside the round trips. */
const columnsFor = (hops: readonly Hop[], width: number, isLive: boolean): Columns => {
  const owners = hops.some(({ asn }) => asn !== undefined) ? ownerWidth(hops) + 2 : 0;
  const beside = numberWidth + owners + (isLive ? leastSparkWidth + 2 : 0);
  const fits = width - beside - widthOf(allFigures) >= leastNameWidth;
  const figures = fits ? allFigures : fewFigures;
  const wanted = Math.max(leastNameWidth, ...hops.flatMap(nameLengths));
  const names = Math.max(leastNameWidth, Math.min(wanted, width - beside - widthOf(figures)));
  const free = width - numberWidth - owners - widthOf(figures) - names - 2;
  const sparks = isLive && free >= leastSparkWidth ? Math.min(60, free) : 0;
  return { names, owners, figures, sparks };
};

/** What is known, as lines of at most `width` characters. */
export const traceLines = (
  state: TraceState,
  view: TraceView,
  { width, isLive }: { width: number; isLive: boolean },
): Line[] => {
  const columns = columnsFor(view.hops, width, isLive);
  const head = [
    'hop '.padStart(numberWidth),
    'address'.padEnd(columns.names),
    ...(columns.owners === 0 ? [] : ['  owner'.padEnd(columns.owners)]),
    ...columns.figures.map((figure) => figure.name.padStart(figure.width)),
    ...(columns.sparks === 0 ? [] : ['  round trips']),
  ];
  const lines: Line[] = [
    { text: titleOf(state), look: 'head' },
    { text: head.join(''), look: 'quiet' },
    ...view.hops.flatMap((hop) => hopLines(state, hop, columns, slowest(view))),
    ...(view.hops.length === 0
      ? [{ text: '   nothing has answered yet', look: 'quiet' as const }]
      : []),
    ...endLines(state, view),
  ];
  return lines.map(({ text, look }) => ({ text: cut(printableLine(text.trimEnd()), width), look }));
};

const titleOf = ({ target, address, protocol, port, method, mtu }: TraceState): string => {
  const to = target === address ? address : `${target} (${address})`;
  const what = protocol === 'icmp' ? 'ICMP' : `${protocol.toUpperCase()} port ${port}`;
  const how = method === 'error-queue' ? ', unprivileged' : '';
  const size = mtu?.bytes ? `, path MTU ${mtu.bytes}` : '';
  return `path to ${to}, ${what}${how}${size}`;
};

const nameLengths = (hop: Hop): number[] => [
  nameOf(hop).length,
  ...(hop.branches ?? []).map(({ address }) => address.length + 3),
];

const nameOf = ({ address, name }: Hop): string =>
  address === null ? '(silent)' : name ? `${address} ${name}` : address;

/** More than a terminal is wide, and enough for jitter. */
const keptRoundTrips = 1_000;

const ownerOf = ({ asn, country }: Hop): string =>
  [asn ? `AS${asn}` : '', country ?? ''].filter((part) => part !== '').join(' ');

const ownerWidth = (hops: readonly Hop[]): number =>
  Math.max(6, ...hops.map((hop) => ownerOf(hop).length));

const slowest = ({ hops }: TraceView): number =>
  Math.max(0.1, ...hops.map(({ rttMaxMs }) => rttMaxMs ?? 0));

const hopLines = (
  { packets }: TraceState,
  hop: Hop,
  { names, owners, figures, sparks }: Columns,
  topMs: number,
): Line[] => {
  const isSilent = hop.state === 'silent';
  const rttsMs = roundTripsOf(packets, hop.ttl, keptRoundTrips);
  const parts = [
    `${String(hop.ttl).padStart(numberWidth - 1)} `,
    cut(nameOf(hop), names).padEnd(names),
    ...(owners === 0 ? [] : [`  ${ownerOf(hop)}`.padEnd(owners)]),
    ...figures.map(({ width, of }) => (isSilent ? '' : of(hop, rttsMs)).padStart(width)),
    ...(sparks === 0 ? [] : [`  ${sparkline(rttsMs.slice(-sparks), topMs)}`]),
  ];
  const branches = (hop.branches ?? []).map((branch, index, all): Line => {
    const bend = index + 1 === all.length ? '└' : '├';
    const share = `${branch.flowCount} ${branch.flowCount === 1 ? 'flow' : 'flows'}`;
    const loss = `lost ${percent(branch.pathLossRatio)} end to end`;
    const text = `    ${bend} ${branch.address.padEnd(Math.max(0, names - 2))} ${share}, ${loss}, median ${showMs(branch.pathRttMedianMs)}`;
    return { text, look: (branch.pathLossRatio ?? 0) > 0 ? 'warn' : 'plain' };
  });
  return [{ text: parts.join(''), look: isSilent ? 'quiet' : 'plain' }, ...branches];
};

export const percent = (ratio: number | null): string => {
  if (ratio === null) return '–';
  const value = ratio * 100;
  return `${Number.isInteger(Math.round(value * 10) / 10) ? value.toFixed(0) : value.toFixed(1)} %`;
};

const endLines = (state: TraceState, view: TraceView): Line[] => {
  const { lossRatio } = view;
  const lost = lossRatio !== null && lossRatio > 0;
  const figures = `best ${showMs(view.rttMinMs)}, median ${showMs(view.rttMedianMs)}, jitter ${showMs(view.jitterMs)}`;
  const end = view.reached
    ? `end to end  lost ${percent(lossRatio)} of ${view.sentCount}, ${figures}`
    : `the target has not answered in ${view.rounds} ${view.rounds === 1 ? 'round' : 'rounds'}${whyNot(state)}`;
  return [
    { text: end, look: lost || (!view.reached && view.sentCount > 0) ? 'warn' : 'plain' },
    ...legend(view).map((text): Line => ({ text, look: 'quiet' })),
    ...mtuLines(state),
    ...state.notes.map((text): Line => ({ text, look: 'quiet' })),
  ];
};

const whyNot = ({ packets }: TraceState): string => {
  const unsent = packets.findLast(({ answer }) => answer?.kind === 'unsent');
  if (unsent?.answer?.kind === 'unsent') return `: not sent, ${unsent.answer.message}`;
  const told = packets.findLast(({ answer }) => answer?.kind === 'unreachable');
  return told === undefined ? '' : `: the router at hop ${told.ttl} says it cannot deliver`;
};

const legend = ({ hops }: TraceView): string[] =>
  hops.some(({ state }) => state === 'limited')
    ? [
        '~ answers clearly less often than what is behind it: it limits its answers, that is no loss',
      ]
    : [];

const mtuLines = ({ mtu }: TraceState): Line[] => {
  if (mtu === null) return [];
  if (mtu.bytes === null)
    return [{ text: 'path MTU  not found: no answer to be sized', look: 'quiet' }];
  const told = mtu.toldBy === null ? '' : `, told by ${mtu.toldBy}`;
  return mtu.blackHole
    ? [
        {
          text: `path MTU  ${mtu.bytes} bytes; larger packets vanish without a word: pings work, transfers hang`,
          look: 'warn',
        },
      ]
    : [{ text: `path MTU  ${mtu.bytes} bytes${told}`, look: 'plain' }];
};

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
