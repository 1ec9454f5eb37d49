/** What the shim does to the packets of one queue. Ratios are 0–1, times are ms. */
export type Impairment = {
  delayMs: number;
  /** Mean of an exponential addition to each packet; order is kept. */
  jitterMs: number;
  /** Independent loss. */
  lossRatio: number;
  /** Gilbert–Elliott: chance per packet to enter and to leave a burst, and the loss within one. */
  burst: { enterRatio: number; leaveRatio: number; lossRatio: number } | null;
  /** Share of packets that go at once and so overtake others. */
  reorderRatio: number;
};

export const noImpairment: Impairment = {
  delayMs: 0,
  jitterMs: 0,
  lossRatio: 0,
  burst: null,
  reorderRatio: 0,
};

/** One NFQUEUE in one namespace. `key` is what faults call it. */
export type ShimQueue = {
  /**
   * `link:ia1>ia2` all packets of a direction · `time-exceeded:ia2` what a router says about expired
   * TTLs · `dns:ns1` answers of a name server · `syn:e1` connection attempts a node makes.
   */
  key: string;
  namespace: string;
  /** Unique in the namespace, 0–65535. */
  queueNumber: number;
  impairment: Impairment;
};

export type QueueCounters = { packets: number; dropped: number; waiting: number };

/** A running shim: a process of its own, reached by a Unix socket, so any process can set faults. */
export type Shim = {
  /** Changes what is given and keeps the rest; rejects for an unknown key. */
  set(key: string, change: Partial<Impairment>): Promise<void>;
  get(key: string): Promise<Impairment>;
  counters(): Promise<Record<string, QueueCounters>>;
  /** Ends the shim and the connection; what waits goes at once. */
  stop(): Promise<void>;
  /** Closes the connection; the shim goes on. */
  close(): void;
};
