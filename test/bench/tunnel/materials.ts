import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import type { Identity } from '#runtime/identity.ts';
import { createTestAuthority } from '#test/support/certificates.ts';

/** Certificates of both ends, for every way the same, also as files. */
export type Materials = {
  folder: string;
  edge: Identity;
  /** A second edge's, for what happens when the first is gone. */
  spare: Identity;
  device: Identity;
  files: {
    ca: string;
    edge: string;
    edgeKey: string;
    edgeBoth: string;
    device: string;
    deviceKey: string;
    deviceBoth: string;
  };
};

export const makeMaterials = async (folder: string): Promise<Materials> => {
  const authority = await createTestAuthority();
  const notAfter = Date.now() + 86_400_000;
  const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
  const { certificatePem: caCertificatePem } = authority;
  const makeEdge = async (id: string): Promise<Identity> => ({
    role: 'edge',
    id,
    caCertificatePem,
    ...(await issueWithKey(authority, {
      commonName: id,
      notAfter,
      dnsNames: [edgeServerName(id)],
      usages: ['server', 'client'],
    })),
  });
  const edge = await makeEdge('bench');
  const device = await issueWithKey(authority, {
    commonName: deviceId,
    notAfter,
    uris: [identityUri('device', deviceId)],
    usages: ['client'],
  });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o644 });
    return path;
  };
  return {
    folder,
    edge,
    spare: await makeEdge('spare'),
    device: { role: 'device', id: deviceId, caCertificatePem, ...device },
    files: {
      ca: write('ca.pem', caCertificatePem),
      edge: write('edge.pem', edge.certificatePem),
      edgeKey: write('edge-key.pem', edge.privateKeyPem),
      edgeBoth: write('edge-both.pem', edge.certificatePem + edge.privateKeyPem),
      device: write('device.pem', device.certificatePem),
      deviceKey: write('device-key.pem', device.privateKeyPem),
      deviceBoth: write('device-both.pem', device.certificatePem + device.privateKeyPem),
    },
  };
};
