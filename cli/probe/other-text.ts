import type { Hop } from '#contract/body/path.ts';
import type { Outcome } from '#probes/probe.ts';
import { showFailure, showMs, showTable } from './lines.ts';

/** A path as a table of hops, in the manner of mtr; a silent hop is a dash and no loss. */
export const describePath = ({ body, failure }: Outcome<'path'>): string => {
  const address = body.address === null ? '' : ` (${body.address})`;
  const rows = body.hops.map((hop) => [
    String(hop.ttl),
    hop.address ?? '–',
    hop.address === null ? '' : showShare(hop),
    showMs(hop.rttMinMs),
    showMs(hop.rttMedianMs),
    showMs(hop.rttMaxMs),
  ]);
  const head = ['hop', 'address', 'answered', 'best', 'median', 'worst'];
  return [
    `path to ${body.target}${address}, ${body.protocol}, ${body.method}`,
    ...(rows.length === 0 ? [] : showTable([head, ...rows], [0, 2, 3, 4, 5])),
    `end to end  best ${showMs(body.rttMinMs)}, median ${showMs(body.rttMedianMs)}, jitter ${showMs(body.jitterMs)}, loss ${showRatio(body.lossRatio)}`,
    ...showFailure(failure),
  ].join('\n');
};

/** `~`: a router that limits its answers, which is no loss. */
const showShare = ({ receivedCount, sentCount, state }: Hop): string =>
  `${state === 'limited' ? '~' : ''}${receivedCount}/${sentCount}`;

const showRatio = (ratio: number | null): string =>
  ratio === null ? '–' : `${(ratio * 100).toFixed(ratio === 0 ? 0 : 1)} %`;
