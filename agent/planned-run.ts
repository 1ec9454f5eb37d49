import type { TSchema } from '@sinclair/typebox';
import { destinationOfUrl } from '#contract/authority.ts';
import { check, explain } from '#contract/check.ts';
import { type Failure, failureFacts } from '#contract/failure.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { records } from '#contract/telemetry.ts';
import type { Artefact, Outcome, ProbeContext } from '#probes/probe.ts';
import { type Probers, runProbe } from '#probes/registry.ts';
import type { Log } from '#runtime/log.ts';
import { blameNetwork, mayBeNetwork } from './control/blame-network.ts';
import type { NetworkWatch } from './control/network-state.ts';
import { readDefaultRoute } from './device/route.ts';
import { emptyBody } from './empty-body.ts';
import type { RunToMake } from './scheduler.ts';
import type { SelfChecks } from './self-check.ts';

export type RunParts = {
  probers: Probers;
  deviceId: string;
  /** The edge the tunnel is on at this moment. */
  edgeId: () => string | null;
  network: Pick<NetworkWatch, 'check'>;
  /** The same edge, as probes to it need it. */
  edge: () => NonNullable<ProbeContext['edge']> | null;
  context: Omit<ProbeContext, 'signal' | 'proxy' | 'edge'>;
  proxy: () => NonNullable<ProbeContext['proxy']>;
  /** The rule by which the tunnel does not carry a destination; undefined: it does. */
  bypassOf: (destination: {
    host: string;
    port: number;
  }) => string | undefined | Promise<string | undefined>;
  selfChecks: SelfChecks;
  /** Told of what a run made beside its figures, before its result is kept. */
  onArtefacts?: (resultId: string, appId: string, artefacts: readonly Artefact[]) => void;
  log: Log;
};

/** Probers keep to the probe's timeout themselves; one that does not is given up after this. */
const graceMs = 10_000;
/** The contract's bound of a duration. */
const longestDurationMs = 86_400_000;

/** Makes one run. Undefined when the agent's stop cut it off: such a run measured nothing. */
export const runPlanned = async (
  parts: RunParts,
  run: RunToMake & { startedAt: number },
  signal: AbortSignal,
): Promise<Result | undefined> => {
  const { probe, startedAt } = run;
  const edgeIdBefore = parts.edgeId();
  const selfCheck = parts.selfChecks.start();
  const network = networkKey();
  const outcome = await measure(parts, probe, signal);
  const checked = selfCheck.finish();
  // A run that came to its end all the same is worth keeping.
  if (signal.aborted && outcome.failure?.type === 'abandoned') return undefined;
  parts.onArtefacts?.(run.runId, probe.appId, outcome.artefacts ?? []);
  const failure = await settleFailure(parts, probe, outcome, networkKey() !== network, signal);
  const result = {
    kind: 'result',
    id: run.runId,
    deviceId: parts.deviceId,
    appId: probe.appId,
    probeId: probe.id,
    via: probe.via,
    // The tunnel may have come up, or moved, while the run was waiting for it.
    edgeId: edgeInBody(outcome) ?? edgeIdBefore ?? parts.edgeId(),
    ...markOf(run),
    startedAt,
    durationMs: Math.min(longestDurationMs, Math.max(0, outcome.durationMs)),
    availability: failure === null ? outcome.availability : 0,
    failure,
    self: {
      ...checked.self,
      ...(run.latenessMs === undefined
        ? {}
        : { latenessMs: Math.min(longestDurationMs, run.latenessMs) }),
    },
    distortion: checked.distortion,
    type: probe.type,
    body: outcome.body,
  } as Result;
  return withShape(parts, probe, result);
};

/** Why it was made, where the plan is not the whole answer. */
const markOf = ({ pairId, repeats, requestId, burstId }: RunToMake) => ({
  ...(pairId === undefined ? {} : { pairId }),
  ...(repeats === undefined ? {} : { repeats }),
  ...(requestId === undefined ? {} : { requestId }),
  ...(burstId === undefined ? {} : { burstId }),
});

/** What the run itself heard from the edge that carried it. */
const edgeInBody = ({ body }: Outcome): string | null =>
  'exchanges' in body ? (body.exchanges.at(-1)?.edge?.edgeId ?? null) : null;

const measure = async (
  parts: RunParts,
  probe: ProbeDefinition,
  signal: AbortSignal,
): Promise<Outcome> => {
  const context: ProbeContext = {
    ...parts.context,
    signal,
    proxy: probe.via === 'tunnel' ? parts.proxy() : undefined,
    edge: parts.edge(),
  };
  const rule = await bypassRule(parts, probe);
  const startedMs = performance.now();
  if (rule !== undefined) return emptyOutcome(probe, bypassedFailure(rule), 0);
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error('the probe did not keep to its timeout')),
      probe.timeoutMs + graceMs,
    );
  });
  try {
    return await Promise.race([runProbe(parts.probers, probe, context), overdue]);
  } catch (error) {
    parts.log.error({ component: 'run', probeId: probe.id, err: error }, 'probe failed inside');
    return internalOutcome(probe, (error as Error).message, performance.now() - startedMs);
  } finally {
    clearTimeout(timer);
  }
};

const internalOutcome = (probe: ProbeDefinition, message: string, durationMs: number): Outcome =>
  emptyOutcome(probe, internalFailure(message), durationMs);

const emptyOutcome = (probe: ProbeDefinition, failure: Failure, durationMs: number): Outcome => ({
  durationMs,
  availability: 0,
  failure,
  body: emptyBody(probe),
});

/** Where the tunnel would not carry it, a run would measure the direct way and call it the tunnel's. */
const bypassRule = async (
  { bypassOf }: RunParts,
  probe: ProbeDefinition,
): Promise<string | undefined> => {
  const destination = probe.via === 'tunnel' ? destinationOf(probe) : undefined;
  return destination === undefined ? undefined : bypassOf(destination);
};

const destinationOf = (probe: ProbeDefinition): { host: string; port: number } | undefined => {
  if (probe.type === 'tcp' || probe.type === 'tls') return { host: probe.host, port: probe.port };
  if (probe.type !== 'http' && probe.type !== 'page-load') return undefined;
  return URL.canParse(probe.url) ? destinationOfUrl(new URL(probe.url)) : undefined;
};

const bypassedFailure = (rule: string): Failure => ({
  type: 'tunnel.bypassed',
  phase: 'prepare',
  message: `the tunnel does not carry this destination: ${rule}`.slice(0, 500),
  ...failureFacts['tunnel.bypassed'],
});

const internalFailure = (message: string): Failure => ({
  type: 'agent.internal',
  phase: 'prepare',
  message: message.slice(0, 500),
  ...failureFacts['agent.internal'],
});

const settleFailure = async (
  { network }: RunParts,
  probe: ProbeDefinition,
  { failure, body }: Outcome,
  hasNetworkChanged: boolean,
  signal: AbortSignal,
): Promise<Failure | null> => {
  // A path (or a call) seen half on one network and half on another is neither's.
  const isOfOneNetwork = probe.type === 'path' || probe.type === 'voice';
  if (hasNetworkChanged && (isOfOneNetwork || failure !== null)) {
    return {
      type: 'path.network_changed',
      phase: failure?.phase ?? 'wait',
      message: `the default route changed during the run${failure === null ? '' : `; it saw ${failure.type}`}`,
      ...failureFacts['path.network_changed'],
    };
  }
  if (failure === null || !mayBeNetwork(failure) || signal.aborted) return failure;
  return blameNetwork(failure, await network.check(), triedAddresses(body));
};

/** Where the run itself connected, or tried to; through the tunnel the edge did. */
const triedAddresses = (body: Outcome['body']): string[] => {
  const attempts = 'exchanges' in body ? (body.exchanges.at(-1)?.attempts ?? []) : [];
  return attempts.map(({ address }) => address);
};

const networkKey = (): string => JSON.stringify(readDefaultRoute());

/** A record of the wrong shape would be refused far from here; here it is known whose it was. */
const withShape = ({ log }: RunParts, probe: ProbeDefinition, result: Result): Result => {
  const schema: TSchema = records[result.type];
  const checked = check(schema, result);
  if (checked.ok) return result;
  const message = `the ${probe.type} probe gave a result of the wrong shape: ${explain(checked.mistakes)}`;
  log.error({ component: 'run', probeId: probe.id, reason: message }, 'result of the wrong shape');
  return {
    ...result,
    availability: 0,
    failure: internalFailure(message),
    body: emptyBody(probe),
  } as Result;
};
