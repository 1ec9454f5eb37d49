import type { FlowProtocol } from '#contract/access.ts';
import type { Destination } from './access.ts';

/** What a device asks for. */
export type AdmitRequest = {
  deviceId: string;
  destination: Destination;
  protocol: FlowProtocol;
  /** Monotonic time at which the request was read. */
  receivedMs: number;
  /** Called when policy lets the device go there: before names are resolved and addresses dialled. */
  onAllowed?: (() => void) | undefined;
};

/** What a flow carried until its end. */
export type Moved = {
  upBytes: number;
  downBytes: number;
  /** Monotonic times of the first byte each way; left out: there was none, or nobody looked. */
  firstUpMs?: number;
  firstDownMs?: number;
};
