import type { Segment } from '#contract/verdict.ts';
import { type BinState, type Effect, legNow } from './bin-state.ts';
import { establishedRtoMs, expectedRetryMs } from './device-now.ts';
import { cachedNameRatio } from './draws.ts';
import type { PlacedFault } from './hit.ts';
import { extraRounds, handshakeRounds, overloadOnTls } from './http-run.ts';
import type { Way } from './network.ts';
import type { WorldOptions } from './options.ts';
import { tasksOfAPage } from './page-run.ts';
import type { Device, Use } from './population.ts';
import type { Application, Topology } from './topology.ts';
import type { Impact } from './truth.ts';

/** How often one transaction meets each part of the world (§4). */
export type Multiples = {
  phases: number;
  /** Round trips device to edge, or straight to the application. */
  near: number;
  /** Those of them that open a TCP connection. */
  nearOpening: number;
  far: number;
  farOpening: number;
  /** Names asked of the provider's resolver, over the site's line. */
  lineLookups: number;
};

export const multiplesOf = (application: Application, use: Use): Multiples => {
  const rounds = handshakeRounds(application) + 1 + extraRounds(application);
  return use.onward
    ? {
        phases: 4,
        near: 2 + handshakeRounds(application),
        nearOpening: 0,
        far: 1 + rounds,
        farOpening: 1,
        lineLookups: 0,
      }
    : {
        phases: 5,
        near: 1 + rounds,
        nearOpening: 1,
        far: 0,
        farOpening: 0,
        lineLookups: 1 - cachedNameRatio,
      };
};

type Case = {
  options: WorldOptions;
  topology: Topology;
  state: BinState;
  device: Device;
  use: Use;
  application: Application;
  times: Multiples;
  sums: Map<PlacedFault, { ms: number; segments: Set<Segment> }>;
};

/** What each active fault is expected to add to one transaction; largest first. */
export const impactsOn = (
  options: WorldOptions,
  topology: Topology,
  state: BinState,
  device: Device,
  use: Use,
): Impact[] => {
  if (state.faults.length === 0) return [];
  const application = topology.applications[use.appIndex] as Application;
  const times = multiplesOf(application, use);
  const one = { options, topology, state, device, use, application, times, sums: new Map() };
  onDevice(one);
  onNetwork(one);
  onServices(one);
  return [...(one as Case).sums]
    .map(([fault, { ms, segments }]) => ({
      faultId: fault.id,
      ms,
      segments: segments.size > 0 ? [...segments] : fault.segments,
    }))
    .sort((a, b) => b.ms - a.ms || a.faultId.localeCompare(b.faultId));
};

const add = ({ sums }: Case, { fault }: Effect, ms: number, segment?: Segment): void => {
  if (ms <= 0) return;
  const sum = sums.get(fault) ?? { ms: 0, segments: new Set() };
  sum.ms += ms;
  if (segment) sum.segments.add(segment);
  sums.set(fault, sum);
};

const onDevice = (one: Case): void => {
  const { state, device, use, times } = one;
  const { index, site } = device;
  for (const effect of state.at('lag', index) ?? []) add(one, effect, times.phases * effect.ms);
  for (const on of [state.at('wifi', index), state.at('gateway', site.index)]) {
    for (const effect of on ?? []) {
      add(one, effect, nearMs(one, effect) + times.lineLookups * effect.ms);
    }
  }
  for (const effect of state.at('slow-line', index) ?? []) add(one, effect, effect.ms);
  if (!use.onward) return;
  for (const on of [state.at('tunnel', index), state.at('edge-tunnel', device.edge.id)]) {
    for (const effect of on ?? []) add(one, effect, times.near * effect.ms);
  }
};

const nearMs = ({ options, times }: Case, { ms, lossRatio }: Effect): number =>
  times.near * ms +
  (times.near - times.nearOpening) * expectedRetryMs(lossRatio, establishedRtoMs) +
  times.nearOpening * expectedRetryMs(lossRatio, options.firstSynRtoMs);

const farMs = ({ options, times }: Case, { ms, lossRatio }: Effect): number =>
  times.far * ms +
  (times.far - times.farOpening) * expectedRetryMs(lossRatio, establishedRtoMs) +
  times.farOpening * expectedRetryMs(lossRatio, options.firstSynRtoMs);

const onNetwork = (one: Case): void => {
  const { device, use, topology, state } = one;
  const wanted = use.straight ?? device.leg;
  const { leg, effect } = legNow(state, device, wanted);
  const { site } = device;
  // What it costs is what was drawn: the way's own difference is part of it.
  if (effect) add(one, effect, nearMs(one, effect), 'client-edge');
  const near = topology.firstLeg(site.line, site.ispIndex, leg.core, leg.destination, leg.via);
  onWay(one, near, 'client-edge');
  if (use.onward) onWay(one, use.onward, 'edge-origin');
};

const onWay = (one: Case, way: Way, segment: 'client-edge' | 'edge-origin'): void => {
  const { state, times } = one;
  for (const [i, link] of way.links.entries()) {
    for (const effect of state.ofLink(link)) {
      const lookups = segment === 'client-edge' && i <= 1 ? times.lineLookups * effect.ms : 0;
      const ms = segment === 'client-edge' ? nearMs(one, effect) : farMs(one, effect);
      add(one, effect, ms + lookups, segment);
    }
    for (const effect of state.holesIn(link)) add(one, effect, effect.ms, segment);
  }
};

const onServices = (one: Case): void => {
  const { state, device, use, application } = one;
  const { appIndex } = use;
  const services = [
    state.at('application-dns', appIndex),
    state.at('application-tls', appIndex),
    state.at('server', `${appIndex}/all`),
    state.at('server', `${appIndex}/${use.frontEnd.id}`),
  ];
  for (const on of services) for (const effect of on ?? []) add(one, effect, effect.ms);
  if (!use.onward) return;
  const { id } = device.edge;
  for (const effect of state.at('edge-queue', id) ?? []) {
    add(one, effect, (1 + overloadOnTls) * effect.ms);
  }
  const ofPages = application.thirdParties.map((host) => state.at('third-party', host));
  for (const on of [
    state.at('edge-tls', id),
    state.at('edge-dns', id),
    state.at('render', appIndex),
    ...ofPages,
  ]) {
    for (const effect of on ?? []) add(one, effect, effect.ms);
  }
};

/** What a transaction takes without faults, by night: of the request, and to the largest paint. */
export const usualMs = (
  topology: Topology,
  device: Device,
  use: Use,
): { requestMs: number; pageMs: number } => {
  const application = topology.applications[use.appIndex] as Application;
  const times = multiplesOf(application, use);
  const { site } = device;
  const leg = use.straight ?? device.leg;
  const near = topology.firstLeg(site.line, site.ispIndex, leg.core, leg.destination, leg.via);
  const nearRound = 0.3 + device.lanMs + roundMs(near);
  const farRound = use.onward ? roundMs(use.onward) : 0;
  const dnsMs = cachedNameRatio * 1.25 + (1 - cachedNameRatio) * 37;
  const transferMs = (application.bodyBytes * 8) / (device.bandwidthMbps * 1_000);
  const requestMs =
    times.phases * device.lagMs +
    (times.near + times.lineLookups) * nearRound +
    times.far * farRound +
    dnsMs +
    application.tlsWorkMs +
    application.serverMs +
    transferMs;
  const renderMs = application.renderMs * device.renderFactor + tasksOfAPage * device.lagMs;
  const pageMs = requestMs + 2 * (nearRound + 47) + renderMs + nearRound + farRound + 15;
  return { requestMs, pageMs };
};

const roundMs = ({ links }: Way): number =>
  links.reduce((sum, { baseMs, queueMs }) => sum + baseMs + queueMs, 0);
