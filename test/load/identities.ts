import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { enroll } from '#runtime/enroll.ts';
import type { Credentials } from './connection.ts';

export type DeviceIdentity = Credentials & { id: string };

const atOnce = 4;

/**
 * As many devices as asked for, each let in with the token and a key and certificate of its own. With a
 * file those of before are used again: enrolling 20,000 takes minutes.
 */
export const enrollDevices = async (options: {
  collectorUrl: string;
  token: () => string;
  count: number;
  file?: string | undefined;
  onProgress: (count: number) => void;
}): Promise<DeviceIdentity[]> => {
  const identities = options.file === undefined ? [] : readKept(options.file, options.collectorUrl);
  const known = identities.length;
  let next = known;
  const work = async () => {
    while (next < options.count) {
      const index = next;
      next += 1;
      identities[index] = await enrollOne(options.collectorUrl, options.token(), index);
      if (index % 500 === 499) options.onProgress(index + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  if (options.file !== undefined && next > known) await keep(options, identities);
  return identities.slice(0, options.count);
};

const enrollOne = async (
  collectorUrl: string,
  token: string,
  index: number,
): Promise<DeviceIdentity> => {
  const { response, privateKeyPem } = await enroll({
    ...{ collectorUrl, token, role: 'device', name: `simulated-${index + 1}` },
    ...{ platform: 'linux', programVersion: '0.1.0' },
  });
  return {
    id: response.id,
    certificatePem: response.certificate,
    caCertificatePem: response.caCertificate,
    privateKeyPem,
  };
};

type Kept = {
  collectorUrl: string;
  caCertificatePem: string;
  devices: Omit<DeviceIdentity, 'caCertificatePem'>[];
};

const readKept = (file: string, collectorUrl: string): DeviceIdentity[] => {
  if (!existsSync(file)) return [];
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
  if (kept.collectorUrl !== collectorUrl) return [];
  return kept.devices.map((device) => ({ ...device, caCertificatePem: kept.caCertificatePem }));
};

const keep = async (
  { file = '', collectorUrl }: { file?: string | undefined; collectorUrl: string },
  identities: readonly DeviceIdentity[],
): Promise<void> => {
  const [first] = identities;
  if (first === undefined) return;
  const devices = identities.map(({ caCertificatePem: _, ...device }) => device);
  const kept: Kept = { collectorUrl, caCertificatePem: first.caCertificatePem, devices };
  // Private keys lie in it.
  await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
};
