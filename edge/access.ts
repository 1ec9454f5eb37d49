import type { AccessAction, DeviceFacts, FlowProtocol } from '#contract/access.ts';
import { normalHost } from '#contract/host-pattern.ts';
import type { AccessRule, EdgeConfig } from '#contract/policy.ts';
import { type CategoryList, noCategories } from './categories.ts';
import { userFacts } from './clientless/user-facts.ts';
import { compileHostIndex } from './host-index.ts';
import { compilePersonal, compileTime, isPersonal } from './rule-conditions.ts';

export type Destination = { host: string; port: number };

/** `rule` names what decided: a rule's id, or a default's name. */
export type AccessDecision = {
  action: AccessAction;
  rule: string;
  /** Of the declared application the destination belongs to. */
  appId: string | undefined;
};

/** The edge's policy, ready to be asked for every flow. */
export type Access = {
  /** Left out: TCP. */
  decide(deviceId: string, destination: Destination & { protocol?: FlowProtocol }): AccessDecision;
  /** Set when the destination belongs to a declared private application. */
  privateApplication(destination: Destination): PrivateMatch | undefined;
  isRevoked(deviceId: string): boolean;
  /** Who uses the device, where that is known and some rule or record needs it. */
  userOf(deviceId: string): string | undefined;
  /** What of the policy cannot be kept here, in words. */
  warnings: readonly string[];
};

export type PrivateMatch = { appId: string; address: string | undefined };

export const compileAccess = (
  config: EdgeConfig,
  parts: { categories?: CategoryList; now?: () => number } = {},
): Access => {
  const { categories = noCategories, now = Date.now } = parts;
  const facts = userFacts(config);
  for (const device of config.devices ?? []) facts.set(device.id, device);
  const applicationsOf = compileApplications(config.applications ?? config.privateApplications);
  const rules = compileRules(config.access, { facts, now });
  const revoked = new Set(config.revokedDevices);

  return {
    decide(deviceId, { host, port, protocol = 'tcp' }) {
      const name = normalHost(host);
      const apps = applicationsOf(name, port);
      const appId = apps[0];
      const flow = { deviceId, name, port, protocol, apps, categories: categories.find(name) };
      const rule = rules.first(flow);
      if (rule) return { action: rule.action, rule: rule.id, appId };
      // An open way to port 25 makes an edge a spam relay, so mail needs a rule that allows it.
      if (port === 25) return { action: 'block', rule: 'default-smtp', appId };
      return { action: 'allow', rule: 'default', appId };
    },
    privateApplication: compilePrivate(config.privateApplications),
    isRevoked: (deviceId) => revoked.has(deviceId),
    userOf: (deviceId) => facts.get(deviceId)?.userId,
    warnings: [...rules.warnings, ...unknownCategories(config.access, categories)],
  };
};

type FlowFacts = {
  deviceId: string;
  name: string;
  port: number;
  protocol: FlowProtocol;
  apps: readonly string[];
  categories: readonly string[];
};

const compileApplications = (
  applications: readonly { appId: string; hosts: readonly string[]; ports: readonly number[] }[],
): ((name: string, port: number) => string[]) => {
  const index = compileHostIndex(
    applications.map(({ hosts }, value) => ({ patterns: hosts, value })),
  );
  const none: string[] = [];
  return (name, port) => {
    const found = index.find(name);
    if (found.length === 0) return none;
    return [...new Set(found.flat())]
      .sort((a, b) => a - b)
      .flatMap((at) => {
        const application = applications[at];
        const isIts =
          application && (application.ports.length === 0 || application.ports.includes(port));
        return isIts ? [application.appId] : [];
      });
  };
};

const compilePrivate = (
  declared: EdgeConfig['privateApplications'],
): Access['privateApplication'] => {
  const index = compileHostIndex(declared.map(({ hosts }, value) => ({ patterns: hosts, value })));
  const applications = declared.map((application) => ({
    ...application,
    addressOf: new Map(
      Object.entries(application.addresses).map(([host, address]) => [normalHost(host), address]),
    ),
  }));
  return ({ host, port }) => {
    const name = normalHost(host);
    const found = index.find(name).flat();
    const application = applications.find(
      ({ ports }, at) => found.includes(at) && (ports.length === 0 || ports.includes(port)),
    );
    return application && { appId: application.appId, address: application.addressOf.get(name) };
  };
};

/**
 * Rules by what they ask of the destination: a flow meets only those whose host, application or
 * category it has, in their order, and what they ask of a device is worked out once a device.
 */
const compileRules = (
  declared: readonly AccessRule[],
  parts: { facts: ReadonlyMap<string, DeviceFacts>; now: () => number },
) => {
  const warnings: string[] = [];
  const rules = declared.map((rule) => compileRule(rule, warnings));
  const all = rules.map((rule, value) => ({ rule, value }));
  const byHost = compileHostIndex(
    all.flatMap(({ rule, value }) =>
      rule.key === 'host' ? [{ patterns: rule.hosts, value }] : [],
    ),
  );
  const byApplication = listsBy(all, 'application', (rule) => rule.applications ?? []);
  const byCategory = listsBy(all, 'category', (rule) => rule.categories ?? []);
  const forAny = all.flatMap(({ rule, value }) => (rule.key === 'any' ? [value] : []));
  const personal = createPersonal(rules, forAny, parts.facts);

  return {
    warnings,
    first(flow: FlowFacts): AccessRule | undefined {
      if (rules.length === 0) return undefined;
      const device = personal.of(flow.deviceId);
      const nowMs = parts.now();
      let best = rules.length;
      const look = (list: readonly number[] | undefined) => {
        for (const at of list ?? []) {
          if (at >= best) return;
          const rule = rules[at];
          if (rule && matches(rule, flow, nowMs) && device.meets(at)) best = at;
        }
      };
      for (const list of byHost.find(flow.name)) look(list);
      for (const appId of flow.apps) look(byApplication.get(appId));
      for (const name of flow.categories) look(byCategory.get(name));
      look(device.forAny);
      return rules[best];
    },
  };
};

type CompiledRule = AccessRule & {
  /** By what it is found. */
  key: 'host' | 'application' | 'category' | 'any';
  portSet: ReadonlySet<number>;
  isNow: (nowMs: number) => boolean;
};

const compileRule = (rule: AccessRule, warnings: string[]): CompiledRule => {
  const isNow = rule.time === undefined ? () => true : compileTime(rule.time);
  if (isNow === undefined) {
    warnings.push(
      `rule ${rule.id}: the time zone ${rule.time?.zone} is not known here: never applied`,
    );
  }
  return { ...rule, key: keyOf(rule), portSet: new Set(rule.ports), isNow: isNow ?? (() => false) };
};

const keyOf = ({ hosts, applications, categories }: AccessRule): CompiledRule['key'] => {
  if (!hosts.includes('*')) return 'host';
  if (applications && applications.length > 0) return 'application';
  return categories && categories.length > 0 ? 'category' : 'any';
};

/** Everything but the device, and what it was found by. */
const matches = (rule: CompiledRule, flow: FlowFacts, nowMs: number): boolean =>
  (rule.portSet.size === 0 || rule.portSet.has(flow.port)) &&
  isAmong(rule.protocols, [flow.protocol]) &&
  isAmong(rule.applications, flow.apps) &&
  isAmong(rule.categories, flow.categories) &&
  rule.isNow(nowMs);

const isAmong = (wanted: readonly string[] | undefined, there: readonly string[]): boolean =>
  wanted === undefined || wanted.length === 0 || there.some((each) => wanted.includes(each));

const listsBy = (
  all: readonly { rule: CompiledRule; value: number }[],
  key: CompiledRule['key'],
  names: (rule: AccessRule) => readonly string[],
): Map<string, number[]> => {
  const lists = new Map<string, number[]>();
  for (const { rule, value } of all) {
    if (rule.key !== key) continue;
    for (const name of new Set(names(rule))) {
      const list = lists.get(name);
      if (list) list.push(value);
      else lists.set(name, [value]);
    }
  }
  return lists;
};

/** Memory for what was worked out of devices; a byte for each rule that asks something of them. */
const mostRememberedBytes = 16_000_000;

/** Which of the rules a device meets, as far as they are about devices. */
const createPersonal = (
  rules: readonly AccessRule[],
  forAny: readonly number[],
  facts: ReadonlyMap<string, DeviceFacts>,
) => {
  const personal = rules.flatMap((rule, at) =>
    isPersonal(rule) ? [{ at, meets: compilePersonal(rule) }] : [],
  );
  const everyone = { forAny, meets: () => true };
  const mostDevices = Math.max(100, Math.floor(mostRememberedBytes / (rules.length + 1)));
  const known = new Map<string, { forAny: readonly number[]; meets: (at: number) => boolean }>();

  const workOut = (deviceId: string) => {
    const met = new Uint8Array(rules.length).fill(1);
    const about = facts.get(deviceId);
    for (const { at, meets } of personal) met[at] = meets(deviceId, about) ? 1 : 0;
    return { forAny: forAny.filter((at) => met[at] === 1), meets: (at: number) => met[at] === 1 };
  };
  return {
    of(deviceId: string) {
      if (personal.length === 0) return everyone;
      const before = known.get(deviceId);
      if (before) return before;
      if (known.size >= mostDevices) known.clear();
      const device = workOut(deviceId);
      known.set(deviceId, device);
      return device;
    },
  };
};

const unknownCategories = (rules: readonly AccessRule[], list: CategoryList): string[] => {
  const unknown = new Set(
    rules.flatMap(({ categories = [] }) => categories.filter((name) => !list.names.has(name))),
  );
  return unknown.size === 0
    ? []
    : [`rules name categories that no list here has: ${[...unknown].slice(0, 10).join(', ')}`];
};
