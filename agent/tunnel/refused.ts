/** The edge answered, and would not open the flow. */
export class FlowRefused extends Error {
  override name = 'FlowRefused';
  readonly status: number;
  readonly proxyStatus: string | undefined;
  readonly edgeId: string;
  readonly retryAfter: string | undefined;
  readonly serverTiming: string | undefined;
  constructor(answer: {
    status: number;
    proxyStatus: string | undefined;
    edgeId: string;
    retryAfter: string | undefined;
    serverTiming: string | undefined;
  }) {
    super(`edge ${answer.edgeId} answered ${answer.status}: ${answer.proxyStatus ?? 'no reason'}`);
    this.status = answer.status;
    this.proxyStatus = answer.proxyStatus;
    this.edgeId = answer.edgeId;
    this.retryAfter = answer.retryAfter;
    this.serverTiming = answer.serverTiming;
  }
}

/** No edge could be asked, or none answered. */
export class TunnelDown extends Error {
  override name = 'TunnelDown';
  /** The edge took the request and was silent, rather than not being there. */
  readonly timedOut: boolean;
  constructor(message: string, timedOut = false) {
    super(message);
    this.timedOut = timedOut;
  }
}
