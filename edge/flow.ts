import type { EdgeTiming } from '#contract/body/connection.ts';
import type { Admit, Admitted, NotOpened } from './admit.ts';
import { type DialError, DialFailed, type Dialled, dial } from './dial.ts';
import type { AdmitRequest, Moved } from './flow-request.ts';
import type { Pace } from './limits.ts';
import { type ProxyError, type Refusal, refuse } from './refusal.ts';

export type FlowRequest = Omit<AdmitRequest, 'protocol'> & {
  read: 'tap' | 'stream';
  signal: AbortSignal;
};

/** A connection to the origin, with what it cost. `done` must be called once, when it has ended. */
export type OpenedFlow = Dialled & {
  timing: EdgeTiming;
  /** Undefined: as fast as it goes. */
  pace?: Pace | undefined;
  done(moved: Moved): void;
};

export type FlowOutcome = { opened: true; flow: OpenedFlow } | NotOpened;

export type OpenFlow = (request: FlowRequest) => Promise<FlowOutcome>;

/** Everything between a request for a TCP connection and the connection: admission, dial. */
export const createOpenFlow =
  (parts: { admit: Admit }): OpenFlow =>
  async (request) => {
    const admission = await parts.admit({ ...request, protocol: 'tcp' });
    if (!admission.admitted) return admission;
    const dialled = await dialChecked(request, admission);
    if ('status' in dialled) return admission.fail(dialled);
    admission.begin();
    const { timing, pace, done } = admission;
    return { opened: true, flow: { ...dialled, timing, pace, done } };
  };

/** Dials the addresses that were checked, never the name again: it could answer otherwise by now. */
const dialChecked = async (
  request: FlowRequest,
  { addresses, timing }: Admitted,
): Promise<Dialled | Refusal> => {
  const startedMs = performance.now();
  try {
    const { port } = request.destination;
    const dialled = await dial({ addresses, port, signal: request.signal, read: request.read });
    timing.connectMs = dialled.connectMs;
    timing.waitedMs = dialled.waitedMs;
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
