import { hasRoute } from '#probes/path/end-to-end.ts';
import { createNameResolver, type FamilyChoice } from '#probes/resolve.ts';
import { UsageError } from '../usage-error.ts';

/** The address to trace: the first of the name's to which there is a route. */
export const findTarget = async (
  host: string,
  family: FamilyChoice,
  signal: AbortSignal,
): Promise<string> => {
  const resolution = await createNameResolver().resolve(host, signal, family);
  if (!resolution.ok) {
    const reason = resolution.error instanceof Error ? resolution.error.message : 'no answer';
    throw new UsageError(`${host} has no address that could be traced: ${reason}`);
  }
  for (const { address } of [...resolution.addresses, ...(await resolution.later)]) {
    if (await hasRoute(address)) return address;
  }
  throw new UsageError(`this machine has no route to ${host}`);
};
