import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { networkTypes } from '#contract/forwarding.ts';
import { Nullable, OneOf } from '#contract/scalar.ts';
import { enforcementStates } from './enforcement/decide.ts';
import { askStatus } from './status-socket.ts';

const Time = Type.Number();
const Address = Type.Object({ host: Type.String(), port: Type.Integer() });

/** What the device lets out, since when, why, and what to do about it: see docs/fail-modes.md. */
const EnforcementPart = Type.Object({
  state: OneOf(enforcementStates),
  text: Type.String(),
  cause: Type.String(),
  remedy: Type.String(),
  since: Time,
  strict: Type.Boolean(),
  fence: OneOf(['absent', 'closed', 'by-policy', 'portal'] as const),
  whenTunnelDown: OneOf(['open', 'closed'] as const),
  direct: OneOf(['by-policy', 'exceptions'] as const),
  isPortalOpen: Type.Boolean(),
  graceLeftMs: Type.Number(),
  fenceProblem: Nullable(Type.String()),
});

/** Of an agent that is not enrolled, or is enrolling. */
export const WaitingStatus = Type.Object({
  version: Type.Literal(1),
  at: Time,
  program: Type.Object({ version: Type.String(), pid: Type.Integer(), startedAt: Time }),
  device: Type.Object({ id: Type.Null(), name: Type.String() }),
  collectorUrl: Type.String(),
  enforcement: EnforcementPart,
  network: Type.Object({ state: Type.String(), reason: Type.String() }),
});
export type WaitingStatus = Static<typeof WaitingStatus>;

/** Everything an agent says about itself. Times are the device's, epoch milliseconds. */
export const AgentStatus = Type.Object({
  version: Type.Literal(1),
  at: Time,
  program: Type.Object({ version: Type.String(), pid: Type.Integer(), startedAt: Time }),
  device: Type.Object({ id: Type.String(), name: Type.String() }),
  certificate: Type.Object({ notAfter: Time }),
  collectorUrl: Type.String(),
  enforcement: EnforcementPart,
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
    /** What it must do without; left out by older agents. */
    degradations: Type.Optional(Type.Array(Type.String())),
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
    /** The organisation's PAC files; absent from agents of before. */
    pac: Type.Optional(Type.Object({ state: Type.String(), problem: Type.String() })),
    /** The system's proxy settings; absent from agents of before. */
    systemProxy: Type.Optional(Type.Object({ state: Type.String(), problem: Type.String() })),
    /** Of programs that know no proxy (docs/capture.md); absent where it is not asked for. */
    capture: Type.Optional(
      Type.Object({
        isOn: Type.Boolean(),
        what: Type.Array(Type.String()),
        reason: Type.String(),
        problem: Nullable(Type.String()),
        tcpFlowCount: Type.Integer(),
        dns: Type.Object({
          direct: Type.Integer(),
          tunnel: Type.Integer(),
          private: Type.Integer(),
          failed: Type.Integer(),
        }),
      }),
    ),
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
  /** Measuring every second because of an odd result; null: none since the start. */
  lastBurst: Type.Optional(
    Nullable(
      Type.Object({
        appId: Type.String(),
        beganAt: Time,
        why: Type.String(),
        /** Empty: under way. */
        ended: Type.String(),
      }),
    ),
  ),
  burstsToday: Type.Optional(Type.Object({ bytes: Type.Number(), cpuMs: Type.Number() })),
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
  const status = await readAnyStatus(stateFolder);
  if (isEnrolled(status)) return status;
  throw new AgentNotRunning(`the agent of ${stateFolder} is not enrolled yet`);
};

/** The same where it may not be enrolled yet. */
export const readAnyStatus = async (stateFolder: string): Promise<AgentStatus | WaitingStatus> => {
  let text: string;
  try {
    text = await askStatus(stateFolder);
  } catch (error) {
    throw new AgentNotRunning(
      `no agent answers for the state folder ${stateFolder} (${(error as Error).message}): start it, or name its folder with --state`,
    );
  }
  const said: unknown = JSON.parse(text);
  const status = check(AgentStatus, said);
  if (status.ok) return status.value;
  const waiting = check(WaitingStatus, said);
  if (waiting.ok) return waiting.value;
  throw new AgentNotRunning(
    `the agent of ${stateFolder} is another version:\n${explain(status.mistakes)}`,
  );
};

export const isEnrolled = (status: AgentStatus | WaitingStatus): status is AgentStatus =>
  status.device.id !== null;
