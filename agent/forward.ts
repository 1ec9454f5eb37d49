import type { Socket } from 'node:net';
import { destinationOfUrl } from '#contract/authority.ts';
import type { DeviceConfig } from '#contract/policy.ts';
import type { Position } from '#contract/scalar.ts';
import type { Identity } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import { type Capture, type CaptureStatus, startCapture } from './capture/capture.ts';
import type { CaptureConfig } from './capture/config.ts';
import { startIpCapture } from './capture/ip.ts';
import { createProcessOf, type Ends } from './capture/process.ts';
import { createSettleName } from './capture/settle-name.ts';
import { nameFlow } from './capture/tcp.ts';
import { startUdpCapture } from './capture/udp.ts';
import { type Around, enforceRoute } from './forwarding/around.ts';
import { decideWithPac } from './forwarding/ask-pac.ts';
import { startHttpProxy } from './forwarding/http-proxy.ts';
import { createOpen, type FactsOf, type Open } from './forwarding/open.ts';
import { createOpenUdp, type OpenUdp } from './forwarding/open-udp.ts';
import { createPolicyPac } from './forwarding/policy-pac.ts';
import { createPreferEdges } from './forwarding/prefer-edges.ts';
import {
  compileRoutePolicy,
  type Destination,
  decideRoute,
  type FlowFacts,
  type RoutePolicy,
} from './forwarding/route.ts';
import { startSocks } from './forwarding/socks.ts';
import type { NetworkVerdict } from './network/network-type.ts';
import { watchNetworkType } from './network/watch-network.ts';
import type { PacStatus } from './pac/application-pac.ts';
import { createTunnel, type Tunnel } from './tunnel/tunnel.ts';

export type DecisionCounts = { tunnel: number; direct: number; refused: number };

export type Forwarding = Running & {
  tunnel: Tunnel;
  proxy: Destination;
  socks: Destination;
  /**
   * For the agent's own probes: as the user's proxy, but never around a tunnel that is down – a run
   * through the tunnel must not measure the direct way.
   */
  probeProxy: Destination;
  setPolicy(config: Pick<DeviceConfig, 'forwarding' | 'edges'>): void;
  /** Which of the organisation's networks this is, and why. */
  network(): NetworkVerdict;
  /** The rule by which a destination is never carried, whatever the network; undefined: it is. */
  bypassOf(destination: Destination): Promise<string | undefined>;
  /** How the organisation's PAC files do. */
  pac(): PacStatus;
  /** Flows since the start, by where they went. */
  decisions(): DecisionCounts;
  /** Undefined: not asked for. */
  capture(): CaptureStatus | undefined;
};

/** Until the first policy is known nothing goes around the tunnel. */
const beforePolicy: DeviceConfig['forwarding'] = {
  mode: 'tunnel',
  bypass: [],
  whenTunnelDown: 'closed',
  pinnedEdge: '',
};

/** The way of the user's traffic: local proxies, routing, tunnel. */
export const startForwarding = async (parts: {
  identity: () => Identity;
  collectorUrl: string;
  /** Where the device stands, for the choice among many edges. */
  position?: Position;
  listenHost: string;
  proxyPort: number;
  socksPort: number;
  onNetwork?: (verdict: NetworkVerdict) => void;
  onPac?: (name: 'pac-broken' | 'pac-restored', reason: string) => void;
  /** What enforcement leaves of the ways past the tunnel; left out: what the policy says. */
  around?: () => Around;
  /** What of programs that know no proxy; left out: nothing. */
  capture?: CaptureConfig;
  log: Log;
}): Promise<Forwarding> => {
  const { log, listenHost: host } = parts;
  const stopper = createStopper(log);
  const tunnel = createTunnel({
    identity: parts.identity,
    ...(parts.position ? { position: parts.position } : {}),
    log,
  });
  stopper.add('tunnel', () => tunnel.stop());

  const network = watchNetworkType({
    onChange: (verdict) => {
      pac.refresh();
      void capture?.update();
      parts.onNetwork?.(verdict);
    },
    log,
  });
  stopper.add('network watch', async () => network.stop());
  const pac = createPolicyPac({
    tunnel,
    network: () => network.current().type,
    ...(parts.onPac === undefined ? {} : { onChange: parts.onPac }),
    log,
  });
  stopper.add('pac', () => pac.stop());
  tunnel.onChange(({ name }) => {
    if (name === 'edge-chosen') pac.refresh();
  });
  const { askPac } = pac;
  const byPreference = createPreferEdges(tunnel);

  let capture: Capture | undefined;
  let forwarding = beforePolicy;
  const collector = destinationOfUrl(new URL(parts.collectorUrl));
  let services: Destination[] = [collector];
  const listeners: Destination[] = [];
  const compile = (): { user: RoutePolicy; probes: RoutePolicy } => {
    const user = compileRoutePolicy(forwarding, { services, listeners });
    // Whatever the user's traffic does here, the tunnel is what a run through it measures.
    return { user, probes: { ...user, whenTunnelDown: 'closed', onNetwork: () => 'tunnel' } };
  };
  let policy = compile();

  const counts: DecisionCounts = { tunnel: 0, direct: 0, refused: 0 };
  const forUser = {
    tunnel: byPreference,
    policy: () => policy.user,
    network: () => network.current().type,
    askPac,
    ...(parts.around === undefined ? {} : { around: parts.around }),
    log,
  };
  const open = countDecisions(createOpen(forUser), counts);
  const openUdp = countUdpDecisions(createOpenUdp(forUser), counts);
  const openForProbes = createOpen({
    tunnel: byPreference,
    policy: () => policy.probes,
    askPac,
    log,
  });
  const lookUp = createProcessOf();
  const processOf = () => ((forwarding.bypassProcesses ?? []).length > 0 ? lookUp : undefined);
  const factsOf: FactsOf = async (client) => {
    const process = await processOf()?.(endsOf(client));
    return process === undefined ? {} : { process };
  };
  try {
    const proxy = await startHttpProxy({
      host,
      port: parts.proxyPort,
      open,
      factsOf,
      pac: pac.served,
      log,
    });
    stopper.add('http proxy', () => proxy.stop());
    const socks = await startSocks({ host, port: parts.socksPort, open, openUdp, factsOf, log });
    stopper.add('socks proxy', () => socks.stop());
    const probeProxy = await startHttpProxy({
      host,
      port: 0,
      open: openForProbes,
      pac: pac.served,
      log,
    });
    stopper.add('probe proxy', () => probeProxy.stop());
    listeners.push(proxy.address, socks.address, probeProxy.address);
    pac.setListeners(listeners);
    policy = compile();
    const route = (flow: FlowFacts) => {
      const decided = decideRoute(flow, policy.user, network.current().type);
      return parts.around === undefined ? decided : enforceRoute(decided, flow, parts.around());
    };
    if (parts.capture !== undefined) {
      const settle = createSettleName((flow) =>
        decideWithPac({ flow, policy: policy.user, network: network.current().type, askPac }),
      );
      capture = await startCapture({
        config: parts.capture,
        id: parts.identity().id,
        open: async (flow, signal) => open(await settle(flow), signal),
        route,
        policy: () => (forwarding === beforePolicy ? undefined : forwarding),
        network: () => network.current(),
        ownHosts: () => services.map(({ host: own }) => own),
        processOf,
        startUdp: ({ names }) =>
          startUdpCapture({
            openUdp: async (flow, ...rest) => openUdp(await settle(flow), ...rest),
            factsOf: (wanted) => nameFlow(wanted, undefined, names),
            log,
          }),
        startIp: ({ own }) =>
          startIpCapture({
            tunnel,
            policy: () => forwarding,
            isDirect: (address) =>
              route({ host: address, port: 0, protocol: 'icmp' }).action === 'direct',
            own,
            log,
          }),
        log,
      });
      stopper.add('capture', () => capture?.stop());
    }
    return {
      tunnel,
      proxy: proxy.address,
      socks: socks.address,
      probeProxy: probeProxy.address,
      setPolicy: (config) => {
        forwarding = config.forwarding;
        services = [collector, ...config.edges];
        policy = compile();
        pac.setPolicy(forwarding, config.edges);
        network.setTrusted(forwarding.networks ?? []);
        tunnel.setEdges(forwarding.mode === 'off' ? [] : config.edges, forwarding.pinnedEdge);
        void capture?.update();
      },
      network: () => network.current(),
      bypassOf: async (destination) => {
        const { action, rule } = await decideWithPac({
          flow: destination,
          policy: policy.probes,
          network: undefined,
          askPac,
        });
        return action === 'tunnel' ? undefined : rule;
      },
      pac: () => pac.status(),
      decisions: () => ({ ...counts }),
      capture: () => capture?.status(),
      stop: () => stopper.stop(),
    };
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

/** Of a program's connection to one of our listeners. */
const endsOf = (client: Socket): Ends => ({
  local: { host: client.remoteAddress ?? '', port: client.remotePort ?? 0 },
  remote: { host: client.localAddress ?? '', port: client.localPort ?? 0 },
});

const countDecisions =
  (open: Open, counts: DecisionCounts): Open =>
  async (destination, signal) => {
    const opened = await open(destination, signal);
    if (!opened.ok) counts.refused += 1;
    // A direct flow says so in the field meant for it; a tunnelled one carries the edge's timing.
    else if (opened.headers['proxy-status']?.includes('direct')) counts.direct += 1;
    else counts.tunnel += 1;
    return opened;
  };

const countUdpDecisions =
  (openUdp: OpenUdp, counts: DecisionCounts): OpenUdp =>
  async (...given) => {
    const opened = await openUdp(...given);
    if (!opened.ok) counts.refused += 1;
    else if (opened.way === 'tunnel') counts.tunnel += 1;
    else counts.direct += 1;
    return opened;
  };
