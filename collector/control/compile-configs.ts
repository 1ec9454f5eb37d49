import { createHash } from 'node:crypto';
import { edgeServerName } from '#contract/enrollment.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { DeviceConfig, EdgeConfig, EdgeEntry, OnwardTarget } from '#contract/policy.ts';
import type { Position } from '#contract/scalar.ts';
import { compileEdgeFacts, compileRules, directHosts, type KnownDevice } from './compile-access.ts';
import { deviceBurstOf, edgeBurstOf } from './compile-burst.ts';
import { compileEdgePaths, compileProbes, intervalMsOf, onwardHostOf } from './compile-probes.ts';
import { canonical } from './organisation-diff.ts';

const defaultSampleIntervalSeconds = 15;
const planMaxProbes = 512;

export type EdgePlace = {
  id: string;
  host: string;
  port: number;
  location: string;
  reflectorPort?: number | null;
  position?: Position | null;
};

/** What one device gets. The same inputs give the same revision, whatever the time. */
export const compileDeviceConfig = (input: {
  organisation: Organisation;
  deviceId: string;
  edges: readonly EdgePlace[];
  captivePortalUrl: string;
  /** For agents that take them. */
  burst?: { deviceCount: number; siteKey: string };
  issuedAt: number;
}): DeviceConfig => {
  const { organisation, deviceId, captivePortalUrl } = input;
  const edges = input.edges.map(entryOf);
  const declared = compileProbes(organisation);
  const probes = [...declared, ...compileEdgePaths(edges, declared)].slice(0, planMaxProbes);
  const content = {
    deviceId,
    forwarding: {
      mode: 'tunnel' as const,
      bypass: [],
      whenTunnelDown: 'open' as const,
      pinnedEdge: '' as const,
      ...organisation.forwarding,
      ...privateHostsOf(organisation),
      ...directByEdgeOf(organisation),
    },
    edges,
    plan: { revision: revisionOf(probes), probes },
    captivePortalUrl,
    sampleIntervalMs: sampleIntervalMsOf(organisation),
    ...burstOf(organisation, input.burst),
  };
  return {
    kind: 'device-config',
    version: 1,
    revision: revisionOf(content),
    issuedAt: input.issuedAt,
    ...content,
  };
};

const burstOf = (
  organisation: Organisation,
  taken: { deviceCount: number; siteKey: string } | undefined,
): Pick<DeviceConfig, 'burst' | 'siteKey'> => {
  if (taken === undefined) return {};
  const burst = deviceBurstOf(organisation, taken.deviceCount);
  return { ...(burst ? { burst } : {}), siteKey: taken.siteKey };
};

/** In a policy only where there are any, so that agents that do not know them take every other. */
const privateHostsOf = ({ applications }: Organisation): { privateHosts?: string[] } => {
  const hosts = applications.filter((each) => each.private === true).flatMap(({ hosts }) => hosts);
  return hosts.length === 0 ? {} : { privateHosts: hosts };
};

/** Likewise. */
const directByEdgeOf = (organisation: Organisation): { directByEdge?: string[] } => {
  const hosts = directHosts(organisation);
  return hosts.length === 0 ? {} : { directByEdge: hosts };
};

/** What one edge gets. */
export const compileEdgeConfig = (input: {
  organisation: Organisation;
  edgeId: string;
  revokedDevices: readonly string[];
  /** For edges that take them: what is known of devices. */
  devices?: readonly KnownDevice[];
  /** It takes what is said about bursts. */
  takesBurst?: boolean;
  issuedAt: number;
}): EdgeConfig => {
  const { organisation, edgeId } = input;
  const burst = input.takesBurst === true ? edgeBurstOf(organisation) : undefined;
  const content = {
    edgeId,
    access: compileRules(organisation),
    privateApplications: organisation.applications
      .filter((application) => application.private === true)
      .map(({ id, hosts, ports = [], addresses = {} }) => ({ appId: id, hosts, ports, addresses })),
    onward: onwardTargets(organisation),
    revokedDevices: [...input.revokedDevices],
    sampleIntervalMs: sampleIntervalMsOf(organisation),
    ...(input.devices === undefined ? {} : compileEdgeFacts(organisation, input.devices)),
    ...(burst ? { burst } : {}),
  };
  return {
    kind: 'edge-config',
    version: 1,
    revision: revisionOf(content),
    issuedAt: input.issuedAt,
    ...content,
  };
};

const entryOf = ({ id, host, port, location, reflectorPort, position }: EdgePlace): EdgeEntry => ({
  id,
  host,
  port,
  serverName: edgeServerName(id),
  location,
  ...(typeof reflectorPort === 'number' ? { reflectorPort } : {}),
  ...(position ? { position } : {}),
});

/** Once per application, as often as its most frequent probe: leg 2 must be as fresh as leg 1. */
const onwardTargets = (organisation: Organisation): OnwardTarget[] =>
  organisation.applications.flatMap((application) => {
    const place = onwardHostOf(application);
    if (!place) return [];
    const intervalMs = Math.min(...application.probes.map(intervalMsOf));
    return [{ appId: application.id, ...place, intervalMs }];
  });

const sampleIntervalMsOf = (organisation: Organisation): number =>
  Math.round((organisation.sampleIntervalSeconds ?? defaultSampleIntervalSeconds) * 1_000);

/** 96 bits of SHA-256 over the content with its keys in order. */
const revisionOf = (content: unknown): string =>
  createHash('sha256').update(canonical(content)).digest('hex').slice(0, 24);
