import type { FlowKey } from '#runtime/kernel/datagram-inbox.ts';
import { openTransparentUdp, readFlow } from '#runtime/kernel/transparent-udp.ts';
import type { Log } from '#runtime/log.ts';
import type { OpenUdp } from '../forwarding/open-udp.ts';
import type { Destination, FlowFacts } from '../forwarding/route.ts';
import { createUdpFlows } from '../forwarding/udp-flows.ts';
import { isUnresolved } from './tcp.ts';

export type UdpCapture = {
  /** On loopback, the same for both families: where the TPROXY rules lead. */
  port: number;
  flowCount(): number;
  stop(): Promise<void>;
};

/** Of the whole device. The flow unused for longest makes room for the next. */
const maxFlows = 1_000;

/**
 * Carries datagrams that TPROXY diverted to where their program wanted them, and answers it from
 * there. A refused flow is silent, as UDP is: browsers that try QUIC fall back to TCP by themselves.
 */
export const startUdpCapture = async (parts: {
  openUdp: OpenUdp;
  /** What is known of an address; left out: nothing but itself. */
  factsOf?: (wanted: Destination) => FlowFacts;
  log: Log;
}): Promise<UdpCapture> => {
  const log = parts.log.child({ component: 'capture' });
  const sockets = await openTransparentUdp({
    onDatagrams(batch) {
      for (const [flow, datagrams] of batch) {
        sockets.begin(flow);
        flows.send(flow, datagrams, () => factsOf(flow));
      }
    },
  });
  const flows = createUdpFlows({
    openUdp: byAddressWhereUnresolved(parts.openUdp),
    maxFlows,
    onDatagrams: (flow, datagrams) => {
      try {
        sockets.reply(flow, datagrams);
      } catch (error) {
        log.warn({ err: error }, 'no answer can be given to a captured flow');
      }
    },
    onEnd: (flow) => sockets.end(flow),
    log,
  });
  const factsOf = (flow: FlowKey): FlowFacts => {
    const { destination } = readFlow(flow);
    return parts.factsOf?.(destination) ?? destination;
  };
  return {
    port: sockets.port,
    flowCount: flows.count,
    async stop() {
      flows.stop();
      await sockets.stop();
    },
  };
};

/**
 * A name the edge cannot resolve (of the device's own network, of its hosts file) is no reason to
 * fail: the program had an address.
 */
const byAddressWhereUnresolved =
  (openUdp: OpenUdp): OpenUdp =>
  async (flow, signal, first) => {
    const opened = await openUdp(flow, signal, first);
    const { address } = flow;
    if (opened.ok || address === undefined || !isUnresolved(opened)) return opened;
    const { otherNames: _, ...known } = flow;
    return openUdp({ ...known, host: address }, signal, first);
  };
