import {
  type ApplicationHosts,
  type DeviceFacts,
  defaultPrivacy,
  type Privacy,
} from '#contract/access.ts';
import type { Application, Organisation } from '#contract/organisation.ts';
import type { AccessRule, EdgeConfig } from '#contract/policy.ts';
import { hostsOfProbes } from './compile-probes.ts';

/** What is known of a device beside its certificate. */
export type KnownDevice = Pick<DeviceFacts, 'id' | 'posture'> & {
  userId: string | null;
  labels: readonly string[];
};

/** The rules as an edge takes them. */
export const compileRules = (organisation: Organisation): AccessRule[] =>
  (organisation.access ?? []).map((rule) => ({ hosts: ['*'], ports: [], devices: [], ...rule }));

/** What edges need beside the rules; those of before would refuse a config that has it. */
export const compileEdgeFacts = (
  organisation: Organisation,
  devices: readonly KnownDevice[],
): Required<Pick<EdgeConfig, 'applications' | 'devices' | 'privacy'>> => ({
  applications: organisation.applications.flatMap(applicationHosts),
  devices: compileDevices(organisation, devices),
  privacy: privacyOf(organisation),
});

const privacyOf = ({ privacy }: Organisation): Privacy => ({ ...defaultPrivacy, ...privacy });

/** Whether anything of the devices is needed at the edges at all. */
export const needsDevices = (organisation: Organisation): boolean => {
  const needs = needsOf(organisation);
  return needs.users || needs.labels || needs.posture;
};

/** Where devices may follow an edge that sends them past the tunnel: what rules say so about. */
export const directHosts = (organisation: Organisation): string[] => {
  const rules = compileRules(organisation).filter(({ action }) => action === 'direct');
  const hosts = rules.flatMap((rule) => {
    if (!rule.hosts.includes('*')) return rule.hosts;
    const applications = new Set(rule.applications ?? []);
    if (applications.size === 0) return ['*'];
    const named = organisation.applications.filter(({ id }) => applications.has(id));
    return named.flatMap(applicationHosts).flatMap((application) => application.hosts);
  });
  return [...new Set(hosts)];
};

/** Where its probes go belongs to an application too, so that their flows are known as its. */
const applicationHosts = (application: Application): ApplicationHosts[] => {
  const hosts = [...new Set([...application.hosts, ...hostsOfProbes(application)])];
  return hosts.length === 0
    ? []
    : [{ appId: application.id, hosts, ports: application.ports ?? [] }];
};

const needsOf = (organisation: Organisation) => {
  const rules = organisation.access ?? [];
  const asked = rules.flatMap(({ posture }) => posture ?? []);
  return {
    users:
      privacyOf(organisation).users ||
      rules.some(({ users = [], groups = [] }) => users.length > 0 || groups.length > 0),
    labels: asked.some(({ labels }) => labels !== undefined),
    posture: asked.some(
      ({ labels: _labels, unknown: _unknown, ...facts }) => Object.keys(facts).length > 0,
    ),
  };
};

/** No more of a device than some rule asks for; of most, nothing. */
const compileDevices = (
  organisation: Organisation,
  devices: readonly KnownDevice[],
): DeviceFacts[] => {
  const needs = needsOf(organisation);
  const groupsOf = new Map((organisation.users ?? []).map(({ id, groups = [] }) => [id, groups]));
  return devices.flatMap(({ id, userId, labels, posture }) => {
    const facts: Omit<DeviceFacts, 'id'> = {
      // Taken out of the document since: nobody any more.
      ...(needs.users && userId !== null && groupsOf.has(userId)
        ? { userId, groups: groupsOf.get(userId) ?? [] }
        : {}),
      ...(needs.labels && labels.length > 0 ? { labels: [...labels] } : {}),
      ...(needs.posture && posture ? { posture } : {}),
    };
    return Object.keys(facts).length === 0 ? [] : [{ id, ...facts }];
  });
};
