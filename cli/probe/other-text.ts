import type { Hop } from '#contract/body/path.ts';
import type { Outcome } from '#probes/probe.ts';
import { showBar, showFailure, showMs, showTable } from './lines.ts';

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

const showShare = ({ receivedCount, sentCount }: Hop): string => `${receivedCount}/${sentCount}`;

const showRatio = (ratio: number | null): string =>
  ratio === null ? '–' : `${(ratio * 100).toFixed(ratio === 0 ? 0 : 1)} %`;

/** A page load: milestones since the start of navigation, then the slowest resources. */
export const describePage = ({ body, failure }: Outcome<'page-load'>): string => {
  const milestones: [string, number | null][] = [
    ['first byte', body.ttfbMs],
    ['first contentful paint', body.fcpMs],
    ['largest contentful paint', body.lcpMs],
    ['DOM content loaded', body.domContentLoadedMs],
    ['load', body.loadMs],
  ];
  const lastMs = Math.max(0, ...milestones.map(([, ms]) => ms ?? 0));
  const rows = milestones.map(([name, ms]) => [
    name,
    showMs(ms),
    ms === null ? '' : showBar(0, ms, lastMs),
  ]);
  return [
    `page ${body.finalUrl ?? body.url}${body.status === null ? '' : `, status ${body.status}`}`,
    ...showTable(rows, [1]).map((line) => `  ${line}`),
    `  layout shift ${body.cls?.toFixed(3) ?? '–'}, blocked ${showMs(body.totalBlockingMs)}`,
    `  ${body.requestCount} requests (${body.thirdPartyCount} to third parties, ${body.failedRequestCount} failed), ${body.transferBytes} bytes`,
    ...describeResources(body),
    ...showFailure(failure),
  ].join('\n');
};

/** As many as fit under the milestones on one screen. */
const shownResources = 8;

const describeResources = ({ resources }: Outcome<'page-load'>['body']): string[] => {
  if (resources.length === 0) return [];
  const rows = resources
    .slice(0, shownResources)
    .map(({ durationMs, waitMs, status, failed, type, url }) => [
      showMs(durationMs),
      `wait ${showMs(waitMs)}`,
      failed ?? String(status ?? '–'),
      type,
      url.length > 80 ? `${url.slice(0, 79)}…` : url,
    ]);
  return ['  slowest', ...showTable(rows, [0, 1]).map((line) => `    ${line}`)];
};
