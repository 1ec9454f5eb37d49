import { endsOf, type FlowKey } from './datagram-inbox.ts';
import type { Libc } from './libc.ts';

type Reply = { socket: number; flows: Set<FlowKey> };
type Begun = { reply: Reply; source: Buffer; destination: string };

/**
 * A socket for each destination that answers, shared by the flows to it; gone with the last. None is
 * opened for a flow that has not begun or has ended: nobody would close it.
 */
export const createReplySockets = (
  libc: Pick<Libc, 'send' | 'close'>,
  /** A socket bound to this address, which need not be the machine's. */
  openAt: (address: Buffer) => number,
) => {
  const byDestination = new Map<string, Reply>();
  /** Undefined until the first answer. */
  const byFlow = new Map<FlowKey, Begun | undefined>();
  let isStopped = false;

  const open = (flow: FlowKey): Begun => {
    const { source, destination } = endsOf(flow);
    const reply = byDestination.get(destination) ?? {
      socket: openAt(Buffer.from(destination, 'latin1')),
      flows: new Set<FlowKey>(),
    };
    byDestination.set(destination, reply);
    reply.flows.add(flow);
    const opened = { reply, source, destination };
    byFlow.set(flow, opened);
    return opened;
  };
  return {
    begin(flow: FlowKey): void {
      if (!isStopped && !byFlow.has(flow)) byFlow.set(flow, undefined);
    },
    /** Throws where no socket can be had. */
    send(flow: FlowKey, datagrams: readonly Buffer[]): void {
      if (!byFlow.has(flow)) return;
      const { reply, source } = byFlow.get(flow) ?? open(flow);
      for (const datagram of datagrams) libc.send(reply.socket, datagram, source);
    },
    end(flow: FlowKey): void {
      const opened = byFlow.get(flow);
      byFlow.delete(flow);
      if (!opened) return;
      opened.reply.flows.delete(flow);
      if (opened.reply.flows.size > 0) return;
      byDestination.delete(opened.destination);
      libc.close(opened.reply.socket);
    },
    stop(): void {
      isStopped = true;
      for (const { socket } of byDestination.values()) libc.close(socket);
      byDestination.clear();
      byFlow.clear();
    },
  };
};
