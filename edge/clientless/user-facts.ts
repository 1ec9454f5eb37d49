import type { DeviceFacts } from '#contract/access.ts';
import type { EdgeConfig } from '#contract/policy.ts';
import { clientOfUser } from './log-in.ts';

/**
 * What the policy knows of users who come without a device: their groups, as far as they stand with
 * a device of theirs. Of posture nothing is known, and a rule for devices by id is not met.
 */
export const userFacts = (
  config: Pick<EdgeConfig, 'access' | 'devices'>,
): Map<string, DeviceFacts> => {
  const facts = new Map<string, DeviceFacts>();
  const add = (userId: string, groups: string[] | undefined) => {
    const id = clientOfUser(userId);
    facts.set(id, { id, userId, ...(groups ? { groups } : {}) });
  };
  for (const { users = [] } of config.access) for (const user of users) add(user, undefined);
  for (const { userId, groups } of config.devices ?? []) if (userId) add(userId, groups);
  return facts;
};
