import { destinationOfUrl } from '#contract/authority.ts';
import { edgeApplicationId, edgePathProbeId } from '#contract/edge-path.ts';
import type { Application, Organisation, ProbeSpec } from '#contract/organisation.ts';
import { planSteps } from '#contract/page-step.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import { stampPort } from '#contract/stamp.ts';
import { followedBy } from './followed.ts';
import { type NamedProbe, nameProbes } from './probe-ids.ts';

const defaultIntervalSeconds = {
  http: 60,
  dns: 60,
  tcp: 60,
  tls: 300,
  path: 300,
  'page-load': 300,
  voice: 300,
} as const;
const defaultTimeoutSeconds = 60;
/** A page is read to its end, a download is not: enough for any HTML document. */
const maxBodyBytesDefault = 10_000_000;
const maxHops = 30;

/** Every application's probes with all defaults written out, one line a way. */
export const compileProbes = (organisation: Organisation): ProbeDefinition[] => {
  const mode = organisation.forwarding?.mode ?? 'tunnel';
  return organisation.applications.flatMap((application) =>
    nameProbes(application, mode)
      .filter(({ spec }) => mode === 'tunnel' || !isToTheEdge(spec))
      .flatMap(({ spec, ways }) =>
        ways.map(({ planId, via, ...way }) => ({
          id: planId,
          appId: application.id,
          via,
          ...scheduleOf(spec),
          ...measureOf(spec),
          ...way,
          ...followOf(spec, nameProbes(application, mode)),
        })),
      ),
  );
};

const followOf = (spec: ProbeSpec, named: readonly NamedProbe[]) =>
  spec.type === 'path' ? followedBy(spec, named) : undefined;

/** With forwarding off a device is on no edge that could answer. */
const isToTheEdge = (spec: ProbeSpec): boolean => spec.type === 'voice' && spec.host === undefined;

/**
 * Leg 1: the way from the device to each edge it may use, outside the tunnel. As often as the most
 * frequent declared path probe, so that both legs are known for the same time. Its path MTU is the
 * tunnel's: looked for where it is for any declared one.
 */
export const compileEdgePaths = (
  edges: readonly EdgeEntry[],
  declared: readonly ProbeDefinition[],
): ProbeDefinition[] =>
  edges.map((edge) => ({
    id: edgePathProbeId(edge.id),
    appId: edgeApplicationId,
    via: 'direct' as const,
    intervalMs: Math.min(
      defaultIntervalSeconds.path * 1_000,
      ...declared.filter(({ type }) => type === 'path').map(({ intervalMs }) => intervalMs),
    ),
    timeoutMs: defaultTimeoutSeconds * 1_000,
    ...measureOf({ type: 'path', host: edge.host, port: edge.port, ...mtuOf(declared) }),
  }));

const mtuOf = (declared: readonly ProbeDefinition[]) =>
  declared.some((probe) => probe.type === 'path' && probe.mtu === true) ? { mtu: true } : {};

/** Host and port an edge measures for an application: where its first web probe goes, else its path. */
export const onwardHostOf = (
  application: Application,
): { host: string; port: number } | undefined => {
  for (const spec of application.probes) {
    if (!('url' in spec)) continue;
    return destinationOfUrl(new URL(spec.url));
  }
  const other = application.probes.find(({ type }) => hasHost.has(type));
  if (other === undefined || !('host' in other) || other.host === undefined) return undefined;
  return { host: other.host, port: other.port ?? 443 };
};

/** Where its probes go, as far as they name one host; DNS servers and reflectors are not its own. */
export const hostsOfProbes = (application: Application): string[] =>
  application.probes.flatMap((spec) => {
    if ('url' in spec) return destinationOfUrl(new URL(spec.url)).host;
    return hasHost.has(spec.type) && 'host' in spec && spec.host !== undefined ? spec.host : [];
  });

/** Types that name the application's own host. */
const hasHost = new Set<ProbeSpec['type']>(['path', 'tcp', 'tls']);

/** How often: what was written, else the type's default. */
export const intervalMsOf = (spec: ProbeSpec): number =>
  Math.round((spec.intervalSeconds ?? defaultIntervalSeconds[spec.type]) * 1_000);

const scheduleOf = (spec: ProbeSpec) => ({
  intervalMs: intervalMsOf(spec),
  timeoutMs: Math.round((spec.timeoutSeconds ?? defaultTimeoutSeconds) * 1_000),
});

const measureOf = (spec: ProbeSpec) => {
  switch (spec.type) {
    case 'http':
      return {
        type: spec.type,
        url: spec.url,
        method: spec.method ?? 'GET',
        headers: spec.headers ?? {},
        expectStatus: spec.expectStatus ?? [],
        expectBody: spec.expectBody ?? '',
        maxRedirects: spec.maxRedirects ?? 5,
        maxBodyBytes: spec.maxBodyBytes ?? maxBodyBytesDefault,
        // Agents that do not know these refuse a plan that has them: only where they are declared.
        ...(spec.body === undefined ? {} : { requestBody: spec.body }),
        ...(spec.httpVersion === undefined ? {} : { httpVersion: spec.httpVersion }),
        ...(spec.warm === undefined ? {} : { warm: spec.warm }),
      };
    case 'path':
      return {
        type: spec.type,
        host: spec.host ?? '',
        protocol: spec.protocol ?? 'icmp',
        port: spec.port ?? 443,
        packetCount: spec.packetCount ?? 5,
        maxHops,
        ...(spec.family === undefined ? {} : { family: spec.family }),
        ...(spec.flows === undefined ? {} : { flows: spec.flows }),
        ...(spec.branches === undefined ? {} : { branches: spec.branches }),
        ...(spec.mtu === undefined ? {} : { mtu: spec.mtu }),
        ...(spec.names === undefined ? {} : { names: spec.names }),
      };
    case 'page-load':
      return {
        type: spec.type,
        url: spec.url,
        ...(spec.steps === undefined ? {} : { steps: planSteps(spec.steps) }),
        ...(spec.screenshot === undefined ? {} : { screenshot: spec.screenshot }),
        ...(spec.har === undefined ? {} : { har: spec.har }),
      };
    case 'dns':
      return {
        type: spec.type,
        name: spec.name,
        recordType: spec.recordType ?? 'A',
        server: spec.server ?? '',
        ...(spec.compareWith === undefined ? {} : { compareWith: spec.compareWith }),
      };
    case 'tcp':
      return { type: spec.type, host: spec.host, port: spec.port, family: spec.family ?? 'any' };
    case 'tls':
      return {
        type: spec.type,
        host: spec.host,
        port: spec.port ?? 443,
        family: spec.family ?? 'any',
        serverName: spec.serverName ?? '',
        alpn: spec.alpn ?? ['h2', 'http/1.1'],
        warnDays: spec.warnDays ?? 14,
      };
    case 'voice':
      return {
        type: spec.type,
        host: spec.host ?? '',
        port: spec.port ?? stampPort,
        packetsPerSecond: spec.packetsPerSecond ?? 50,
        packetBytes: spec.packetBytes ?? 172,
        streamMs: Math.round((spec.streamSeconds ?? 10) * 1_000),
        playoutMs: spec.playoutMs ?? 60,
      };
  }
};
