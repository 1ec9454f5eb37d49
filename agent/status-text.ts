import { type AgentStatus, isEnrolled, type WaitingStatus } from './status.ts';

/** The status as a page of text, for a terminal of 80 columns. The first lines are what people ask for. */
export const describeAgentStatus = (status: AgentStatus | WaitingStatus): string =>
  [
    ...describeEnforcement(status),
    ...(isEnrolled(status)
      ? [
          ...describeProgram(status),
          ...describeTunnel(status),
          ...describeNetwork(status),
          ...describeForwarding(status),
          ...describeProbes(status),
          ...describeBursts(status),
          ...describeShipping(status),
          ...describeCapabilities(status),
        ]
      : describeWaiting(status)),
  ].join('\n');

const columns = 80;
const nameColumns = 12;

/** A name and what there is to say, on as many lines as it takes; one word is never broken. */
const row = (name: string, text: string): string => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns - nameColumns) {
      lines.push(word);
    } else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines
    .map((line, index) => `${(index === 0 ? name : '').padEnd(nameColumns)}${line}`)
    .join('\n');
};

const describeEnforcement = ({ at, enforcement }: AgentStatus | WaitingStatus) => {
  const { text, since, cause, remedy, strict, fenceProblem } = enforcement;
  return [
    row('state', `${text}, since ${clock(since)} (${ago(at, since)})`),
    ...(cause === '' ? [] : [row('why', cause)]),
    ...(remedy === '' ? [] : [row('to do', remedy)]),
    ...(strict && fenceProblem === null
      ? [row('strict', 'the kernel lets nothing out past the agent')]
      : []),
    ...(fenceProblem === null ? [] : [row('strict', `NOT IN PLACE: ${fenceProblem}`)]),
  ];
};

const describeWaiting = ({ at, device, program, collectorUrl, network }: WaitingStatus) => [
  row('device', `${device.name}, not enrolled`),
  row('agent', `${program.version}, process ${program.pid}, up ${ago(at, program.startedAt)}`),
  row('collector', collectorUrl),
  row('network', `${network.state}: ${network.reason}`),
];
const describeProgram = ({
  at,
  device,
  program,
  certificate,
  policy,
  collectorUrl,
}: AgentStatus) => [
  row('device', `${device.name} (${device.id})`),
  row('agent', `${program.version}, process ${program.pid}, up ${ago(at, program.startedAt)}`),
  row('collector', collectorUrl),
  row(
    'certificate',
    certificate.notAfter > at
      ? `${span(certificate.notAfter - at)} left, renewed by itself`
      : 'EXPIRED: enrol anew, `whyslow agent enroll TOKEN`',
  ),
  row('policy', describePolicy(at, policy)),
  ...(policy.problem === null ? [] : [row('', `last attempt: ${policy.problem}`)]),
];

const describePolicy = (
  at: number,
  { revision, issuedAt, confirmedAt }: AgentStatus['policy'],
): string => {
  if (revision === null || issuedAt === null) return 'none yet';
  const how = confirmedAt === null ? 'from disk' : `confirmed ${ago(at, confirmedAt)} ago`;
  return `revision ${revision}, ${ago(at, issuedAt)} old, ${how}`;
};

const describeTunnel = ({ tunnel }: AgentStatus) => {
  const { state, reason, edges, edgeId, degradations = [] } = tunnel;
  const current = edges.find((edge) => edge.id === edgeId);
  const rtt = current?.rttMs == null ? '' : `, ${milliseconds(current.rttMs)}`;
  return [
    row('tunnel', edgeId === null ? `${state} (${reason})` : `${state} on ${edgeId}${rtt}`),
    ...(edgeId === null ? [] : [row('', `chosen: ${reason}`)]),
    ...degradations.map((each) => row('', `without: ${each}`)),
    ...edges.filter((edge) => edge.id !== edgeId).map((edge) => row('', describeEdge(edge))),
  ];
};

const describeEdge = ({ id, isUp, rttMs, problem }: AgentStatus['tunnel']['edges'][number]) =>
  isUp
    ? `${id} up, ${rttMs === null ? 'not measured' : milliseconds(rttMs)}`
    : problem === ''
      ? `${id} not reached yet`
      : `${id} down: ${problem}`;

const describeNetwork = ({ network: { place, state, reason }, enforcement }: AgentStatus) => {
  const isNews = state !== 'ok' && state !== 'unknown' && reason !== enforcement.cause;
  return [
    ...(place === undefined ? [] : [row('network', `${place.type}: ${place.reason}`)]),
    ...(isNews ? [row(place === undefined ? 'network' : '', `${state}: ${reason}`)] : []),
  ];
};

const describeForwarding = ({
  forwarding: { proxy, socks, pacUrl, pac, systemProxy, decisions, capture },
}: AgentStatus) => [
  row('proxy', `HTTP ${proxy.host}:${proxy.port}, SOCKS5 ${socks.host}:${socks.port}`),
  row('', `PAC ${pacUrl}`),
  ...(pac === undefined || pac.state === 'off'
    ? []
    : [row('pac', pac.state === 'ready' ? 'decides' : `BROKEN: ${pac.problem}`)]),
  ...(systemProxy === undefined || systemProxy.state === 'untouched'
    ? []
    : [
        row(
          'system',
          systemProxy.problem === ''
            ? 'its proxy settings are the agent’s'
            : `proxy settings NOT as wanted: ${systemProxy.problem}`,
        ),
      ]),
  row(
    'flows',
    `${decisions.tunnel} tunnelled, ${decisions.direct} direct, ${decisions.refused} refused`,
  ),
  ...(capture === undefined ? [] : describeCapture(capture)),
];

const describeCapture = (capture: NonNullable<AgentStatus['forwarding']['capture']>) => [
  row(
    'capture',
    capture.isOn ? `on: ${capture.what.join(', ')} (${capture.reason})` : `off: ${capture.reason}`,
  ),
  ...(capture.problem === null ? [] : [row('', `PROBLEM: ${capture.problem}`)]),
];

const describeBursts = ({ at, lastBurst, burstsToday }: AgentStatus): string[] => {
  if (lastBurst == null || burstsToday === undefined) return [];
  const { appId, beganAt, why, ended } = lastBurst;
  const end = ended === '' ? 'under way' : ended;
  const cost = `${megabytes(burstsToday.bytes)} and ${(burstsToday.cpuMs / 1_000).toFixed(1)} s of CPU today`;
  return [row('suspicion', `${appId}, ${ago(at, beganAt)} ago: ${why}; ${end} (${cost})`)];
};

const describeProbes = ({ at, probes, missed, lateness, requests }: AgentStatus) => [
  row('probes', probes.length === 0 ? 'none planned' : `${probes.length} planned`),
  ...probes.flatMap((probe) => describeProbe(at, probe)),
  ...describeLateness(lateness),
  ...requests.map(({ id, madeCount, lostCount }) =>
    row('asked for', `request ${id}: ${madeCount} runs made, ${lostCount} not`),
  ),
  ...Object.entries(missed).map(([reason, count]) => row('missed', `${count} ${reason}`)),
];

/** The figures stay under one another: a long name has a line of its own. */
const describeProbe = (at: number, probe: AgentStatus['probes'][number]): string[] => {
  const next = probe.isRunning ? 'running' : `next in ${span(probe.nextRunAt - at)}`;
  const text = `${describeLast(at, probe.last)}; ${next}`;
  const name = `  ${probe.id}`;
  const column = 24;
  return name.length < column
    ? [`${name.padEnd(column)}${text}`]
    : [name, `${''.padEnd(column)}${text}`];
};

const describeLateness = ({ runCount, p50Ms, p99Ms, longestMs }: AgentStatus['lateness']) =>
  p50Ms === null || p99Ms === null || longestMs === null
    ? []
    : [
        row(
          'lateness',
          `median ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}, longest ${milliseconds(longestMs)} of ${runCount} runs`,
        ),
      ];

const describeLast = (at: number, last: AgentStatus['probes'][number]['last']): string => {
  if (last === null) return 'no run yet';
  const what = last.failure ?? (last.availability === 1 ? 'ok' : 'not available');
  const doubt = last.distortion === 'none' ? '' : ` (distorted: ${last.distortion})`;
  return `${what} in ${milliseconds(last.durationMs)}, ${ago(at, last.at)} ago${doubt}`;
};

const describeShipping = ({ at, shipping }: AgentStatus) => [
  row(
    'spool',
    `${shipping.pendingCount} records to ship, ${megabytes(shipping.pendingBytes)} of ${megabytes(shipping.maxBytes)}${
      shipping.droppedCount === 0 ? '' : `, ${shipping.droppedCount} dropped for lack of room`
    }${shipping.refusedCount === 0 ? '' : `, ${shipping.refusedCount} refused by the collector`}`,
  ),
  row(
    'shipped',
    shipping.lastAcknowledgedAt === null
      ? 'nothing acknowledged yet'
      : `last acknowledged ${ago(at, shipping.lastAcknowledgedAt)} ago`,
  ),
  ...(shipping.problem === null
    ? []
    : [row('', `${shipping.problem}; next attempt in ${span((shipping.retryAt ?? at) - at)}`)]),
];

/** Names of capabilities are longer than the column. */
const describeCapabilities = ({ capabilities }: AgentStatus) =>
  capabilities.map(({ name, problem }, index) =>
    row(index === 0 ? 'can do' : '', `${name}: ${describeCapability(problem)}`),
  );

const describeCapability = (problem: string | null): string => {
  if (problem === null) return 'yes';
  return problem.startsWith('not tried') ? problem : `NO, ${problem}`;
};

/** The device's own time of day; the day where it is not today. */
const clock = (at: number): string => {
  const then = new Date(at);
  const two = (number: number): string => String(number).padStart(2, '0');
  const time = [then.getHours(), then.getMinutes(), then.getSeconds()].map(two).join(':');
  if (then.toDateString() === new Date().toDateString()) return time;
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`;
};

const ago = (now: number, then: number): string => span(now - then);

const span = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
};

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;
