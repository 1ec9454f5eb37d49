import { knownNames } from '#contract/known-names.ts';
import type { Api } from './api.ts';
import { UsageError } from './usage-error.ts';

/** As the collector lists it. */
export type DeviceLine = {
  id: string;
  name: string;
  revokedAt: number | null;
  userId: string | null;
  labels: string[];
};

/** The device that is called so, or has the id; it is one that may still connect. */
export const findDevice = async (api: Api, nameOrId: string): Promise<DeviceLine> => {
  const { items } = await api.call<{ items: DeviceLine[] }>('GET', '/v1/devices');
  const found = items.filter(
    ({ id, name, revokedAt }) => revokedAt === null && (id === nameOrId || name === nameOrId),
  );
  const [device, other] = found;
  if (device === undefined) {
    const names = items.filter(({ revokedAt }) => revokedAt === null).map(({ name }) => name);
    throw new UsageError(`no device is called ${nameOrId}${knownNames(names)}`);
  }
  if (other !== undefined) {
    const ids = found.map(({ id }) => id).join(', ');
    throw new UsageError(`several devices are called ${nameOrId}: name one by its id (${ids})`);
  }
  return device;
};
