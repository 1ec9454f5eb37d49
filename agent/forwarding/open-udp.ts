import type { NetworkType } from '#contract/forwarding.ts';
import { isHost } from '#contract/host-pattern.ts';
import type { Log } from '#runtime/log.ts';
import { FlowRefused, TunnelDown } from '../tunnel/refused.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { type DatagramFlow, openUdpFlow } from '../tunnel/udp-flow.ts';
import { type Around, enforceRoute } from './around.ts';
import { type AskPac, decideWithPac } from './ask-pac.ts';
import { openDirectUdp } from './direct-udp.ts';
import { directByEdge } from './edge-direct.ts';
import { fromRefusal, type NotOpened, notOpened } from './open.ts';
import type { FlowFacts, RoutePolicy } from './route.ts';

/** `way`: through the tunnel, or the rule by which it went past it. */
export type OpenedUdp = { ok: true; flow: DatagramFlow; way: string };

/** `first`: what is there already to be sent; it may arrive twice. */
export type OpenUdp = (
  destination: FlowFacts,
  signal: AbortSignal,
  first?: readonly Buffer[],
) => Promise<OpenedUdp | NotOpened>;

/** Decides where datagrams go, as `createOpen` does for connections, and opens the way. */
export const createOpenUdp = (parts: {
  tunnel: Pick<Tunnel, 'withSession'>;
  policy: () => RoutePolicy;
  network?: () => NetworkType;
  around?: () => Around;
  askPac?: AskPac;
  log: Log;
}): OpenUdp => {
  const log = parts.log.child({ component: 'forwarding' });

  return async (destination, signal, first = []) => {
    if (!isHost(destination.host)) return notOpened(400, 'http_request_error', 'not a host name');
    const policy = parts.policy();
    const around = parts.around?.();
    const facts = { ...destination, protocol: 'udp' as const };
    const decided = await decideWithPac({
      flow: facts,
      policy,
      network: parts.network?.(),
      askPac: parts.askPac,
    });
    const route = around === undefined ? decided : enforceRoute(decided, facts, around);
    log.debug({ ...facts, ...route }, 'flow routed');
    if (route.action === 'block')
      return notOpened(403, 'http_request_denied', `rule ${route.rule}`);
    const openDirect = async (rule: string): Promise<OpenedUdp | NotOpened> => {
      const opened = await openDirectUdp(facts, policy, first);
      return opened.ok ? { ...opened, way: rule } : opened;
    };
    if (route.action === 'direct') return openDirect(route.rule);
    try {
      const { host, port } = destination;
      const flow = await parts.tunnel.withSession(
        (session, edgeId) => openUdpFlow({ session, edgeId, host, port, first, signal }),
        signal,
        route.edges ?? [],
      );
      return { ok: true, flow, way: 'tunnel' };
    } catch (error) {
      if (error instanceof FlowRefused) {
        const rule = directByEdge(error, facts, policy, around);
        if (rule !== undefined) return openDirect(rule);
        return fromRefusal(error);
      }
      if (!(error instanceof TunnelDown)) throw error;
      if (error.timedOut) return notOpened(504, 'http_response_timeout', error.message);
      if ((around ?? policy).whenTunnelDown === 'open') return openDirect('tunnel-down');
      return notOpened(503, 'destination_unavailable', 'tunnel down');
    }
  };
};
