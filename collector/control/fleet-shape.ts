import { defaultPrivacy } from '#contract/access.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { FleetShape, RunMeasurement } from '../store/cardinality.ts';
import { compileDeviceConfig, compileEdgeConfig } from './compile-configs.ts';

/** What an organisation's file makes devices and edges store: by the configs that they get. */
export const fleetShapeOf = (input: {
  organisation: Organisation;
  deviceCount: number;
  edgeIds: readonly string[];
}): FleetShape => {
  const { organisation, deviceCount, edgeIds } = input;
  const device = compileDeviceConfig({
    organisation,
    deviceId: '',
    edges: edgeIds.map((id) => ({ id, host: `${id}.invalid`, port: 443, location: '' })),
    captivePortalUrl: '',
    issuedAt: 0,
  });
  const edge = compileEdgeConfig({
    ...{ organisation, edgeId: '', revokedDevices: [], devices: [], issuedAt: 0 },
  });
  const isTunnelled = device.forwarding.mode === 'tunnel' && edgeIds.length > 0;
  return {
    deviceCount,
    edgeIds,
    places: isTunnelled ? [...edgeIds, ''] : [''],
    runs: runsOf(device.plan.probes),
    flowApps: isTunnelled ? (edge.applications ?? []).map(({ appId }) => appId) : [],
    flowsAreTold: isTunnelled && (edge.privacy ?? defaultPrivacy).flows !== 'off',
    onwardApps: edge.onward.map(({ appId }) => appId),
  };
};

const runsOf = (probes: readonly ProbeDefinition[]): FleetShape['runs'] => {
  const of = (type: ProbeDefinition['type']) =>
    probes
      .filter((probe) => probe.type === type)
      .map(({ appId, id, via }) => ({ app: appId, probe: id, via }));
  return {
    http: of('http'),
    path: of('path'),
    page_load: of('page-load'),
    dns: of('dns'),
    tcp: of('tcp'),
    tls: of('tls'),
    voice: of('voice'),
  } satisfies Record<RunMeasurement, unknown>;
};
