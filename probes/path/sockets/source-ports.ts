/** Flows whose source port is remembered. */
const remembered = 4_096;

export type SourcePorts = {
  /** Of the run before; 0: any. */
  of(flow: string): number;
  /** `isAnswered`: a port that got no answer from the target may be stuck in a firewall's memory. */
  note(flow: string, port: number, isAnswered: boolean): void;
};

/**
 * The same flow run after run has the same source port where it is free: else routers that balance
 * by flow would show another path each time, and every run a change of route.
 */
export const createSourcePorts = (): SourcePorts => {
  const ports = new Map<string, number>();
  return {
    of: (flow) => ports.get(flow) ?? 0,
    note(flow, port, isAnswered) {
      ports.delete(flow);
      if (isAnswered) ports.set(flow, port);
      const [oldest] = ports.keys();
      if (ports.size > remembered && oldest !== undefined) ports.delete(oldest);
    },
  };
};
