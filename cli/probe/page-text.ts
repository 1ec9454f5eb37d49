import type { Outcome } from '#probes/probe.ts';
import { showBar, showFailure, showMs, showTable } from './lines.ts';

type Body = Outcome<'page-load'>['body'];

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
    `  ${showRequests(body.requestCount)} (${body.thirdPartyCount} to third parties, ${body.failedRequestCount} failed), ${body.transferBytes} bytes`,
    ...describePhases(body),
    ...describeSteps(body),
    ...describeResources(body),
    ...describeHosts(body),
    ...describeProblems(body),
    ...showFailure(failure),
  ].join('\n');
};

const showRequests = (count: number): string => `${count} ${count === 1 ? 'request' : 'requests'}`;

const describePhases = ({ navigation, longTasks }: Body): string[] => {
  const phases: [string, number | null | undefined][] = [
    ['redirect', navigation?.redirectMs],
    ['dns', navigation?.dnsMs],
    ['connect', navigation?.connectMs],
    ['tls', navigation?.tlsMs],
    ['wait', navigation?.waitMs],
    ['receive', navigation?.receiveMs],
  ];
  const measured = phases.flatMap(([name, value]) =>
    typeof value === 'number' ? [`${name} ${showMs(value)}`] : [],
  );
  const [longest] = longTasks?.longest ?? [];
  return [
    ...(measured.length === 0 ? [] : [`  document  ${measured.join(', ')}`]),
    ...(longest === undefined || !longTasks
      ? []
      : [
          `  ${longTasks.count} long tasks, the longest ${showMs(longest.durationMs)} at ${showMs(longest.startMs)}`,
        ]),
  ];
};

const stepSigns = { passed: 'ok', failed: 'FAILED', skipped: '–' } as const;

const describeSteps = ({ steps = [] }: Body): string[] => {
  if (steps.length === 0) return [];
  const rows = steps.map(({ name, outcome, durationMs, requestCount, transferBytes }, index) => [
    String(index + 1),
    name,
    stepSigns[outcome],
    outcome === 'skipped' ? '' : showMs(durationMs),
    outcome === 'skipped' ? '' : `${showRequests(requestCount)}, ${transferBytes} bytes`,
  ]);
  return ['  steps', ...showTable(rows, [0, 3]).map((line) => `    ${line}`)];
};

/** With one host there is nothing to compare. */
const describeHosts = ({ hosts = [] }: Body): string[] => {
  if (hosts.length < 2) return [];
  const rows = hosts
    .slice(0, shownResources)
    .map(({ host, requestCount, transferBytes, longestMs, isThirdParty }) => [
      showMs(longestMs),
      showRequests(requestCount),
      `${transferBytes} bytes`,
      isThirdParty ? 'third party' : '',
      host,
    ]);
  return ['  hosts, by their slowest', ...showTable(rows, [0, 1, 2]).map((line) => `    ${line}`)];
};

const describeProblems = ({ problems = [] }: Body): string[] =>
  problems.length === 0
    ? []
    : ['  complaints', ...problems.map(({ kind, text }) => `    ${kind}: ${text}`)];

/** As many as fit under the milestones on one screen. */
const shownResources = 8;

const describeResources = ({ resources }: Body): string[] => {
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
