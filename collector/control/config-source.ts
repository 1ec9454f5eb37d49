import type { DeviceConfig, EdgeConfig, SignedConfig } from '#contract/policy.ts';
import { type KeyedCertificate, signText } from '#runtime/certificates.ts';
import { compileDeviceConfig, compileEdgeConfig } from './compile-configs.ts';
import type { Fleet, Identity } from './fleet.ts';
import type { OrganisationVersions } from './organisation-versions.ts';

/** The config in force for one device or edge. It is signed only when it is asked for. */
export type CurrentConfig = { revision: string; sign(): Promise<SignedConfig> };

/** Compiles from what is declared and enrolled at this moment; nothing is kept between requests. */
export const createConfigSource = (parts: {
  organisations: OrganisationVersions;
  fleet: Fleet;
  authority: KeyedCertificate;
  captivePortalUrl: () => string;
  now: () => number;
}) => {
  const { organisations, fleet, authority, now } = parts;

  const compile = async (identity: Identity): Promise<DeviceConfig | EdgeConfig> => {
    const { document: organisation } = await organisations.current();
    const issuedAt = now();
    if (identity.role === 'edge') {
      const revokedDevices = await fleet.revokedDeviceIds(issuedAt);
      return compileEdgeConfig({ organisation, edgeId: identity.id, revokedDevices, issuedAt });
    }
    const edges = await fleet.activeEdges();
    const captivePortalUrl = parts.captivePortalUrl();
    const deviceId = identity.id;
    return compileDeviceConfig({ organisation, deviceId, edges, captivePortalUrl, issuedAt });
  };

  return async (identity: Identity): Promise<CurrentConfig> => {
    const config = await compile(identity);
    return {
      revision: config.revision,
      async sign() {
        const payload = JSON.stringify(config);
        return { payload, signature: await signText(authority.privateKeyPem, payload) };
      },
    };
  };
};

export type ConfigSource = ReturnType<typeof createConfigSource>;
