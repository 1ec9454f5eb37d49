import { createHash, createHmac } from 'node:crypto';
import type { Organisation } from '#contract/organisation.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { DeviceConfig, EdgeConfig, SignedConfig } from '#contract/policy.ts';
import { type KeyedCertificate, signText } from '#runtime/certificates.ts';
import { needsDevices } from './compile-access.ts';
import { compileDeviceConfig, compileEdgeConfig } from './compile-configs.ts';
import type { Fleet, Identity } from './fleet.ts';
import type { OrganisationVersion, OrganisationVersions } from './organisation-versions.ts';
import type { RunRequests } from './run-requests.ts';

/**
 * The config in force for one device or edge. It is signed only when it is asked for. `tag` changes
 * with the revision, and with what was asked of the device.
 */
export type CurrentConfig = { tag: string; sign(): Promise<SignedConfig> };

/** What whoever asks would not refuse; by its question's `Prefer`. */
export type Takes = {
  /** Requests for runs, facts about devices and applications: who asks with `wait`. */
  takesNews: boolean;
  /** What bursts on suspicion need, and the key of sites: who asks with `burst`. */
  takesBurst: boolean;
};
const takesAll: Takes = { takesNews: true, takesBurst: true };
const countEveryMs = 60_000;

/**
 * Compiles from what is declared and enrolled at this moment. Of what is declared, which is large and
 * never changes under its number, the version in force is kept.
 */
export const createConfigSource = (parts: {
  organisations: Pick<OrganisationVersions, 'current' | 'currentNumber'>;
  fleet: Fleet;
  authority: KeyedCertificate;
  captivePortalUrl: () => string;
  runRequests: RunRequests;
  now: () => number;
}) => {
  const { organisations, fleet, authority, runRequests, now } = parts;

  let kept: OrganisationVersion | undefined;
  const organisationInForce = async (): Promise<Organisation> => {
    const inForce =
      kept?.version === (await organisations.currentNumber())
        ? kept
        : await organisations.current();
    kept = inForce;
    return inForce.document;
  };

  const siteKey = createHmac('sha256', authority.privateKeyPem)
    .update('whyslow: site key 1')
    .digest('hex');
  let counted: { atMs: number; devices: number } | undefined;
  /** Every agent asks for its config every few seconds, and only the size matters. */
  const deviceCount = async (): Promise<number> => {
    if (counted === undefined || now() - counted.atMs > countEveryMs) {
      counted = { atMs: now(), devices: await fleet.activeDeviceCount() };
    }
    return counted.devices;
  };

  const compile = async (
    identity: Identity,
    { takesNews, takesBurst }: Takes,
  ): Promise<DeviceConfig | EdgeConfig> => {
    const organisation = await organisationInForce();
    const issuedAt = now();
    if (identity.role === 'edge') {
      const revokedDevices = await fleet.revokedDeviceIds(issuedAt);
      const about = { organisation, edgeId: identity.id, revokedDevices, issuedAt };
      if (!takesNews) return compileEdgeConfig(about);
      const devices = needsDevices(organisation) ? await fleet.knownDevices(issuedAt) : [];
      return compileEdgeConfig({ ...about, devices, takesBurst });
    }
    const edges = await fleet.activeEdges();
    const captivePortalUrl = parts.captivePortalUrl();
    const deviceId = identity.id;
    const about = { organisation, deviceId, edges, captivePortalUrl, issuedAt };
    if (!takesBurst) return compileDeviceConfig(about);
    return compileDeviceConfig({ ...about, burst: { deviceCount: await deviceCount(), siteKey } });
  };

  return {
    async of(identity: Identity, takes: Takes): Promise<CurrentConfig> {
      const config = await compile(identity, takes);
      const requests =
        takes.takesNews && identity.role === 'device'
          ? await runRequests.openFor(identity.id, now())
          : [];
      const isAsked = requests.length > 0;
      return {
        tag: `"${config.revision}${isAsked ? `.${shortHash(requests.map(({ id }) => id))}` : ''}"`,
        async sign() {
          const payload = JSON.stringify(isAsked ? { ...config, requests } : config);
          return { payload, signature: await signText(authority.privateKeyPem, payload) };
        },
      };
    },
    /** The plan of one device, as it is given to it now. */
    async planOf(deviceId: string): Promise<readonly ProbeDefinition[]> {
      const config = await compile({ role: 'device', id: deviceId }, takesAll);
      return config.kind === 'device-config' ? config.plan.probes : [];
    },
  };
};

const shortHash = (ids: readonly string[]): string =>
  createHash('sha256').update(ids.join()).digest('hex').slice(0, 12);

export type ConfigSource = ReturnType<typeof createConfigSource>;
