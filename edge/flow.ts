import type { EdgeTiming } from '#contract/body/connection.ts';
import { isHost } from '#contract/host-pattern.ts';
import type { Log } from '#runtime/log.ts';
import type { Access, Destination } from './access.ts';
import { type DialError, DialFailed, type Dialled, dial } from './dial.ts';
import type { Limits } from './limits.ts';
import type { Meter } from './meter.ts';
import { type ProxyError, type Refusal, refuse } from './refusal.ts';
import type { Resolve, Resolved } from './resolve.ts';

export type FlowRequest = {
  deviceId: string;
  destination: Destination;
  /** Monotonic time at which the request was read. */
  receivedMs: number;
  read: 'tap' | 'stream';
  signal: AbortSignal;
};

/** A connection to the origin, with what it cost. `done` must be called once, when it has ended. */
export type OpenedFlow = Dialled & { timing: EdgeTiming; done(moved: Moved): void };

export type Moved = { upBytes: number; downBytes: number };

export type FlowOutcome =
  | { opened: true; flow: OpenedFlow }
  | { opened: false; refusal: Refusal; timing: EdgeTiming };

export type OpenFlow = (request: FlowRequest) => Promise<FlowOutcome>;

/** Everything between a request for a destination and a connection to it: limits, policy, DNS, dial. */
export const createOpenFlow = (parts: {
  edgeId: string;
  /** Undefined until the first policy has come. */
  access: () => Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  limits: Limits;
  meter: Meter;
  log: Log;
}): OpenFlow => {
  const { meter, limits } = parts;

  return async (request) => {
    const timing: EdgeTiming = {
      edgeId: parts.edgeId,
      queueMs: 0,
      dnsMs: null,
      connectMs: null,
      address: null,
    };
    const refused = (refusal: Refusal): FlowOutcome => {
      if (refusal.status < 500) meter.refused();
      else meter.dialFailed();
      logRefusal(parts.log, request, refusal);
      return { opened: false, refusal, timing };
    };

    if (!isHost(request.destination.host)) {
      return refused(refuse('http_request_error', 'not a host name'));
    }
    const over = limits.take(request.deviceId);
    if (over) return refused(refuse('connection_limit_reached', `too many ${over}`));
    const outcome = await openWithin(parts, request, timing);
    if ('status' in outcome) {
      limits.release(request.deviceId);
      return refused(outcome);
    }
    meter.opened(timing);
    const openedMs = performance.now();
    const done = (moved: Moved) => {
      limits.release(request.deviceId);
      parts.log.debug(
        {
          component: 'flow',
          deviceId: request.deviceId,
          ...request.destination,
          ...timing,
          ...moved,
          durationMs: performance.now() - openedMs,
        },
        'flow ended',
      );
    };
    return { opened: true, flow: { ...outcome, timing, done } };
  };
};

const openWithin = async (
  parts: Parameters<typeof createOpenFlow>[0],
  request: FlowRequest,
  timing: EdgeTiming,
): Promise<Dialled | Refusal> => {
  // One turn of the event loop: what other flows made this one wait shows as queueing.
  await new Promise((resolve) => setImmediate(resolve));
  const access = parts.access();
  if (!access) return refuse('proxy_configuration_error', 'no policy yet');
  const decision = access.decide(request.deviceId, request.destination);
  timing.queueMs = performance.now() - request.receivedMs;
  if (decision.action === 'block') return refuse('http_request_denied', `rule ${decision.rule}`);

  const application = access.privateApplication(request.destination);
  const resolved: Resolved = application?.address
    ? { ok: true, addresses: [application.address], dnsMs: null }
    : await parts.resolve(request.destination.host);
  timing.dnsMs = resolved.dnsMs;
  if (!resolved.ok) {
    return refuse(resolved.timedOut ? 'dns_timeout' : 'dns_error', resolved.message);
  }
  const special = application ? undefined : resolved.addresses.find(parts.isSpecial);
  if (special !== undefined) {
    return refuse('destination_ip_prohibited', `${special} is not public`);
  }
  return dialChecked(request, resolved.addresses, timing);
};

/** Dials the addresses that were checked, never the name again: it could answer otherwise by now. */
const dialChecked = async (
  request: FlowRequest,
  addresses: string[],
  timing: EdgeTiming,
): Promise<Dialled | Refusal> => {
  const startedMs = performance.now();
  try {
    const { port } = request.destination;
    const dialled = await dial({ addresses, port, signal: request.signal, read: request.read });
    timing.connectMs = dialled.connectMs;
    timing.address = dialled.address;
    return dialled;
  } catch (error) {
    if (!(error instanceof DialFailed)) throw error;
    timing.connectMs = performance.now() - startedMs;
    return refuse(errorOf[error.kind], error.message);
  }
};

const errorOf = {
  refused: 'connection_refused',
  'timed-out': 'connection_timeout',
  unreachable: 'destination_unavailable',
  reset: 'connection_terminated',
} as const satisfies Record<DialError, ProxyError>;

const logRefusal = (log: Log, request: FlowRequest, refusal: Refusal): void =>
  log.debug(
    {
      component: 'flow',
      deviceId: request.deviceId,
      ...request.destination,
      status: refusal.status,
      error: refusal.error,
      details: refusal.details,
    },
    'flow refused',
  );
