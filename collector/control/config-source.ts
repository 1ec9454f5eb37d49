import { createHash } from 'node:crypto';
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

  const compile = async (
    identity: Identity,
    takesNews: boolean,
  ): Promise<DeviceConfig | EdgeConfig> => {
    const organisation = await organisationInForce();
    const issuedAt = now();
    if (identity.role === 'edge') {
      const revokedDevices = await fleet.revokedDeviceIds(issuedAt);
      const about = { organisation, edgeId: identity.id, revokedDevices, issuedAt };
      if (!takesNews) return compileEdgeConfig(about);
      const devices = needsDevices(organisation) ? await fleet.knownDevices(issuedAt) : [];
      return compileEdgeConfig({ ...about, devices });
    }
    const edges = await fleet.activeEdges();
    const captivePortalUrl = parts.captivePortalUrl();
    const deviceId = identity.id;
    return compileDeviceConfig({ organisation, deviceId, edges, captivePortalUrl, issuedAt });
  };

  return {
    /**
     * `takesNews`: those that do not ask with `Prefer` are of before, and would refuse a config that
     * has requests, or facts about devices and applications.
     */
    async of(identity: Identity, takesNews: boolean): Promise<CurrentConfig> {
      const config = await compile(identity, takesNews);
      const requests =
        takesNews && identity.role === 'device'
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
      const config = await compile({ role: 'device', id: deviceId }, true);
      return config.kind === 'device-config' ? config.plan.probes : [];
    },
  };
};

const shortHash = (ids: readonly string[]): string =>
  createHash('sha256').update(ids.join()).digest('hex').slice(0, 12);

export type ConfigSource = ReturnType<typeof createConfigSource>;
