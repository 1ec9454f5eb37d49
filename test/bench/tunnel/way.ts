/** One way from a client to the origin, and who is paid for it. */
export type Way = {
  name: string;
  /** The tunnel's processes; their CPU and memory are counted, descendants included. */
  pids: readonly number[];
  /** Their end that stands near the origin, whose memory is held against an edge's. */
  farPid: number;
  /** Where a client goes; behind a proxy: what it asks the proxy for. */
  target: { host: string; port: number };
  /** HTTP proxy on 127.0.0.1, asked with CONNECT. */
  proxyPort?: number;
  /** Network namespace of the client; left out: the bench's own. */
  namespace?: string;
  /** The client's user, where it may not be the agent's. */
  uid?: number;
};

/** Leads to the origin for whoever has to connect to an address: of documentation, so nobody's. */
export const capturedAddress = '203.0.113.9';
