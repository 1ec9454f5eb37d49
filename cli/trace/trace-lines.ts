import type { Hop } from '#contract/body/path.ts';
import { showMs } from '../probe/lines.ts';
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

const columns = ['best', 'median', 'worst'] as const;
const numberWidth = 8;
const answeredWidth = 9;
/** Room for an address of IPv6; more where the terminal has it. */
const leastNameWidth = 16;
const leastSparkWidth = 10;

/** What is known as lines of at most `width` characters. `sparkCount` 0: without round trips. */
export const traceLines = (
  state: TraceState,
  view: TraceView,
  { width, isLive }: { width: number; isLive: boolean },
): Line[] => {
  const figures = answeredWidth + columns.length * (numberWidth + 1);
  const owners = view.hops.some(({ asn }) => asn !== undefined) ? ownerWidth(view.hops) : 0;
  const free = width - 4 - figures - (owners === 0 ? 0 : owners + 2);
  const wanted = Math.max(leastNameWidth, ...view.hops.flatMap(nameLengths));
  const names = Math.max(leastNameWidth, Math.min(wanted, free - (isLive ? leastSparkWidth : 0)));
  const sparks = isLive ? Math.min(60, free - names - 2) : 0;
  const row = (hop: Hop) => hopLines(state, hop, { names, owners, sparks, topMs: slowest(view) });
  const head = [
    ' hop '.padEnd(4),
    'address'.padEnd(names),
    ...(owners === 0 ? [] : [' owner'.padEnd(owners + 2)]),
    ' answered',
    ...columns.map((name) => ` ${name.padStart(numberWidth)}`),
    ...(sparks >= leastSparkWidth ? ['  round trips'] : []),
  ].join('');
  const lines: Line[] = [
    { text: titleOf(state), look: 'head' },
    { text: head, look: 'quiet' },
    ...view.hops.flatMap(row),
    ...(view.hops.length === 0
      ? [{ text: '   nothing has answered yet', look: 'quiet' as const }]
      : []),
    ...endLines(state, view),
  ];
  return lines.map(({ text, look }) => ({ text: cut(text.trimEnd(), width), look }));
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

const ownerOf = ({ asn, country }: Hop): string =>
  [asn ? `AS${asn}` : '', country ?? ''].filter((part) => part !== '').join(' ');

const ownerWidth = (hops: readonly Hop[]): number =>
  Math.max(6, ...hops.map((hop) => ownerOf(hop).length));

const slowest = ({ hops }: TraceView): number =>
  Math.max(0.1, ...hops.map(({ rttMaxMs }) => rttMaxMs ?? 0));

const hopLines = (
  { packets }: TraceState,
  hop: Hop,
  widths: { names: number; owners: number; sparks: number; topMs: number },
): Line[] => {
  const isSilent = hop.state === 'silent';
  const parts = [
    `${String(hop.ttl).padStart(3)} `,
    cut(nameOf(hop), widths.names).padEnd(widths.names),
    ...(widths.owners === 0 ? [] : [`  ${ownerOf(hop).padEnd(widths.owners)}`]),
    (isSilent ? '' : answeredOf(hop)).padStart(answeredWidth),
    ...[hop.rttMinMs, hop.rttMedianMs, hop.rttMaxMs].map(
      (ms) => ` ${(isSilent ? '' : showMs(ms)).padStart(numberWidth)}`,
    ),
    ...(widths.sparks >= leastSparkWidth
      ? [`  ${sparkline(roundTripsOf(packets, hop.ttl, widths.sparks), widths.topMs)}`]
      : []),
  ];
  const branches = (hop.branches ?? []).map((branch, index, all): Line => {
    const bend = index + 1 === all.length ? '└' : '├';
    const share = `${branch.flowCount} ${branch.flowCount === 1 ? 'flow' : 'flows'}`;
    const loss = `lost ${percent(branch.pathLossRatio)} end to end`;
    const text = `    ${bend} ${branch.address.padEnd(Math.max(0, widths.names - 2))} ${share}, ${loss}, median ${showMs(branch.pathRttMedianMs)}`;
    return { text, look: (branch.pathLossRatio ?? 0) > 0 ? 'warn' : 'plain' };
  });
  return [{ text: parts.join(''), look: isSilent ? 'quiet' : 'plain' }, ...branches];
};

/** `~` where the router answers less than it lets through: that is no loss. */
const answeredOf = ({ receivedCount, sentCount, state }: Hop): string =>
  `${state === 'limited' ? '~' : ''}${percent(sentCount === 0 ? null : receivedCount / sentCount)}`;

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
    ? ['~ answers less often than hops behind it: it limits its answers, nothing was lost there']
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
