import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { networkTypes } from '#contract/forwarding.ts';
import { Nullable, OneOf } from '#contract/scalar.ts';
import { askStatus } from './status-socket.ts';

const Time = Type.Number();
const Address = Type.Object({ host: Type.String(), port: Type.Integer() });

/** Everything an agent says about itself. Times are the device's, epoch milliseconds. */
export const AgentStatus = Type.Object({
  version: Type.Literal(1),
  at: Time,
  program: Type.Object({ version: Type.String(), pid: Type.Integer(), startedAt: Time }),
  device: Type.Object({ id: Type.String(), name: Type.String() }),
  certificate: Type.Object({ notAfter: Time }),
  collectorUrl: Type.String(),
  policy: Type.Object({
    revision: Nullable(Type.String()),
    issuedAt: Nullable(Time),
    confirmedAt: Nullable(Time),
    problem: Nullable(Type.String()),
    mode: Nullable(Type.String()),
  }),
  tunnel: Type.Object({
    state: Type.String(),
    edgeId: Nullable(Type.String()),
    reason: Type.String(),
    edges: Type.Array(
      Type.Object({
        id: Type.String(),
        location: Type.String(),
        isUp: Type.Boolean(),
        rttMs: Nullable(Type.Number()),
        problem: Type.String(),
      }),
    ),
  }),
  forwarding: Type.Object({
    proxy: Address,
    socks: Address,
    pacUrl: Type.String(),
    decisions: Type.Object({
      tunnel: Type.Integer(),
      direct: Type.Integer(),
      refused: Type.Integer(),
    }),
  }),
  network: Type.Object({
    state: Type.String(),
    reason: Type.String(),
    /** Which of the organisation's networks it is; absent from agents of before. */
    place: Type.Optional(
      Type.Object({
        type: OneOf(networkTypes),
        networkId: Type.Union([Type.String(), Type.Null()]),
        reason: Type.String(),
      }),
    ),
  }),
  probes: Type.Array(
    Type.Object({
      id: Type.String(),
      appId: Type.String(),
      type: Type.String(),
      via: Type.String(),
      intervalMs: Type.Number(),
      isRunning: Type.Boolean(),
      nextRunAt: Time,
      last: Nullable(
        Type.Object({
          at: Time,
          durationMs: Type.Number(),
          availability: Type.Number(),
          failure: Nullable(Type.String()),
          distortion: Type.String(),
        }),
      ),
    }),
  ),
  shipping: Type.Object({
    pendingCount: Type.Integer(),
    pendingBytes: Type.Integer(),
    diskBytes: Type.Integer(),
    maxBytes: Type.Integer(),
    droppedCount: Type.Integer(),
    refusedCount: Type.Integer(),
    lastAttemptAt: Nullable(Time),
    lastAcknowledgedAt: Nullable(Time),
    problem: Nullable(Type.String()),
    retryAt: Nullable(Time),
  }),
  /** How late the latest planned runs began. */
  lateness: Type.Object({
    runCount: Type.Integer(),
    p50Ms: Nullable(Type.Number()),
    p99Ms: Nullable(Type.Number()),
    longestMs: Nullable(Type.Number()),
  }),
  /** Runs somebody asked for, under way. */
  requests: Type.Array(
    Type.Object({ id: Type.String(), madeCount: Type.Integer(), lostCount: Type.Integer() }),
  ),
  /** Runs without a result since the start, by reason. */
  missed: Type.Record(Type.String(), Type.Integer()),
  /** What this device can do beyond the basics; `problem` says what is missing and how to get it. */
  capabilities: Type.Array(Type.Object({ name: Type.String(), problem: Nullable(Type.String()) })),
});
export type AgentStatus = Static<typeof AgentStatus>;

/** No agent answers; the message says what to do. */
export class AgentNotRunning extends Error {
  override name = 'AgentNotRunning';
}

/** Asks the agent that runs with this state folder. */
export const readAgentStatus = async (stateFolder: string): Promise<AgentStatus> => {
  let text: string;
  try {
    text = await askStatus(stateFolder);
  } catch (error) {
    throw new AgentNotRunning(
      `no agent answers for the state folder ${stateFolder} (${(error as Error).message}): start it, or name its folder with --state`,
    );
  }
  const status = check(AgentStatus, JSON.parse(text));
  if (status.ok) return status.value;
  throw new AgentNotRunning(
    `the agent of ${stateFolder} is another version:\n${explain(status.mistakes)}`,
  );
};

/** The status as a page of text. */
export const describeAgentStatus = (status: AgentStatus): string =>
  [
    ...describeProgram(status),
    ...describeTunnel(status),
    ...describeForwarding(status),
    ...describeProbes(status),
    ...describeShipping(status),
    ...describeCapabilities(status),
  ].join('\n');

const row = (name: string, text: string): string => `${name.padEnd(11)} ${text}`;

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
      ? `valid for ${span(certificate.notAfter - at)}, renewed by itself`
      : 'EXPIRED: enrol again with a new token (`whyslow token`)',
  ),
  row(
    'policy',
    policy.revision === null || policy.issuedAt === null
      ? `none yet${policy.problem === null ? '' : `: ${policy.problem}`}`
      : `revision ${policy.revision}, issued ${ago(at, policy.issuedAt)} ago, ${
          policy.confirmedAt === null ? 'from disk' : `confirmed ${ago(at, policy.confirmedAt)} ago`
        }${policy.problem === null ? '' : `; last attempt: ${policy.problem}`}`,
  ),
];

const describeTunnel = ({ tunnel, network }: AgentStatus) => {
  const { edges, edgeId } = tunnel;
  const current = edges.find((edge) => edge.id === edgeId);
  const rtt = current?.rttMs == null ? '' : `, ${milliseconds(current.rttMs)} away`;
  const where = edgeId === null ? '' : ` on edge ${edgeId}${rtt}`;
  return [
    row('tunnel', `${tunnel.state}${where} (${tunnel.reason})`),
    ...edges
      .filter((edge) => edge.id !== edgeId)
      .map((edge) =>
        row(
          '',
          edge.isUp
            ? `edge ${edge.id} ${edge.rttMs === null ? 'not measured' : `${milliseconds(edge.rttMs)} away`}`
            : `edge ${edge.id} down: ${edge.problem}`,
        ),
      ),
    ...(network.place === undefined
      ? []
      : [row('network', `${network.place.type} (${network.place.reason})`)]),
    ...(network.state === 'ok' || network.state === 'unknown'
      ? []
      : [row(network.place === undefined ? 'network' : '', `${network.state}: ${network.reason}`)]),
  ];
};

const describeForwarding = ({ forwarding: { proxy, socks, pacUrl, decisions } }: AgentStatus) => [
  row('proxy', `http ${proxy.host}:${proxy.port}, socks5 ${socks.host}:${socks.port}, ${pacUrl}`),
  row(
    'flows',
    `${decisions.tunnel} through the tunnel, ${decisions.direct} direct, ${decisions.refused} refused`,
  ),
];

const describeProbes = ({ at, probes, missed, lateness, requests }: AgentStatus) => {
  const width = Math.max(0, ...probes.map((probe) => probe.id.length)) + 2;
  return [
    row('probes', probes.length === 0 ? 'none planned' : `${probes.length} planned`),
    ...probes.map((probe) => {
      const next = probe.isRunning ? 'running now' : `next in ${span(probe.nextRunAt - at)}`;
      return `  ${probe.id.padEnd(width)}${describeLast(at, probe.last)}; ${next}`;
    }),
    ...describeLateness(lateness),
    ...requests.map(({ id, madeCount, lostCount }) =>
      row('asked for', `request ${id}: ${madeCount} runs made, ${lostCount} not`),
    ),
    ...Object.entries(missed).map(([reason, count]) => row('missed', `${count} ${reason}`)),
  ];
};

const describeLateness = ({ runCount, p50Ms, p99Ms, longestMs }: AgentStatus['lateness']) =>
  p50Ms === null || p99Ms === null || longestMs === null
    ? []
    : [
        row(
          'lateness',
          `median ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}, longest ${milliseconds(longestMs)} over the last ${runCount} planned runs`,
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
    `${shipping.pendingCount} records to ship (${megabytes(shipping.pendingBytes)} of ${megabytes(shipping.maxBytes)})${
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

const describeCapabilities = ({ capabilities }: AgentStatus) =>
  capabilities.map(({ name, problem }) => row(name, problem ?? 'available'));

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
