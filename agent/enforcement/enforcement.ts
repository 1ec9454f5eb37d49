import { join } from 'node:path';
import type { ForwardingAction } from '#contract/forwarding.ts';
import { normalHost } from '#contract/host-pattern.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import type { OwnTraffic } from '../capture/own-traffic.ts';
import type { NetworkFinding } from '../control/network-state.ts';
import { readDefaultRoute } from '../device/route.ts';
import type { Around } from '../forwarding/around.ts';
import type { Destination } from '../forwarding/route.ts';
import { readLocalFacts } from '../network/read-facts.ts';
import { type AddressBook, createAddressBook } from './address-book.ts';
import { decideEnforcement, type Enforcement, type EnforcementFacts } from './decide.ts';
import { createFence, type Fence } from './fence.ts';
import { type FenceWishes, fenceContent, namesOf, rangesPast } from './fence-content.ts';
import { openGraceBook } from './grace.ts';
import { networkKey } from './network-key.ts';
import { describeStrictTable } from './strict-table.ts';

/** What is enforced before there is a policy, from the program's config. */
export type StrictBeforeEnrolment = {
  identityProviders?: readonly string[];
  captivePortalGraceSeconds?: number;
};

/** What changes while the agent runs; it is told, never asked for. */
export type EnforcementInputs = {
  identity: EnforcementFacts['identity'];
  /** Why the device is not enrolled, where somebody said so. */
  identityReason: string;
  forwarding: ForwardingPolicy | null;
  tunnel: () => EnforcementFacts['tunnel'];
  networkAction: () => ForwardingAction;
};

export type EnforcementStatus = Enforcement & {
  since: number;
  strict: boolean;
  /** Why the kernel's fence is not as it should be; null: it is. */
  fenceProblem: string | null;
};

export type EnforcementHolder = Running & {
  update(inputs: Partial<EnforcementInputs>): void;
  /** Looks again at once; resolves when the kernel has it. */
  review(): Promise<void>;
  current(): EnforcementStatus;
  around(): Around;
};

const defaultGraceSeconds = 300;
const reviewIntervalMs = 1_000;
/** Names are asked for this often; their addresses outlast an hour without an answer. */
const refreshIntervalMs = 60_000;
/** Somebody may have emptied the kernel's rules; and timeouts of elements are made long again. */
const renewIntervalMs = 30_000;
/** At the start every state is passed through on the way to the first that lasts. */
const settleMs = 1_500;

/** Keeps the device as open or shut as it should be, and says so. */
export const startEnforcement = async (parts: {
  stateFolder: string;
  beforeEnrolment: StrictBeforeEnrolment | undefined;
  network: () => NetworkFinding;
  onChange: (enforcement: Enforcement) => void;
  log: Log;
  fence?: Fence;
  book?: AddressBook;
  own: OwnTraffic;
  now?: () => number;
}): Promise<EnforcementHolder> => {
  const log = parts.log.child({ component: 'enforcement' });
  const now = parts.now ?? Date.now;
  const fence = parts.fence ?? createFence();
  const book = parts.book ?? createAddressBook();
  const graces = openGraceBook(join(parts.stateFolder, 'graces.json'), now);
  const inputs: EnforcementInputs = {
    identity: 'none',
    identityReason: '',
    forwarding: null,
    tunnel: () => ({ isUp: false, reason: 'not started' }),
    networkAction: () => 'tunnel',
  };
  let isStanding = await fence.isStanding();
  if (isStanding)
    log.warn({}, 'strict enforcement stands from before: kept until policy says otherwise');
  let putKey = '';
  let putAt = 0;
  let triedAt = 0;
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let fenceProblem: string | null = null;
  let isStopped = false;

  /** What is decided of, now. */
  const factsNow = (): EnforcementFacts => {
    const { forwarding } = inputs;
    const { state, reason, portal } = parts.network();
    return {
      identity: inputs.identity,
      policy: forwarding && {
        mode: forwarding.mode,
        strict: forwarding.enforcement?.strict === true,
        whenTunnelDown: forwarding.whenTunnelDown,
        networkAction: inputs.networkAction(),
      },
      strictWithoutPolicy: parts.beforeEnrolment !== undefined || isStanding,
      tunnel: inputs.tunnel(),
      network: { state, reason, portal },
      graceLeftMs: 0,
    };
  };
  const judge = (): Enforcement => {
    const facts = factsNow();
    const decided = withReason(decideEnforcement(facts), inputs.identityReason);
    if (decided.state !== 'captive-portal-over') return decided;
    // Only here is a grace needed: it goes on, or begins unless this network has had its one.
    const graceLeftMs = graces.begin(networkKey(), graceMsOf(inputs, parts.beforeEnrolment));
    return decideEnforcement({ ...facts, graceLeftMs });
  };
  let current = judge();
  let since = now();
  const startedMs = performance.now();
  let announced: Enforcement['state'] | undefined;

  const wishesNow = (): FenceWishes => {
    const { forwarding } = inputs;
    const isPortalOpen = current.fence === 'portal';
    return {
      own: parts.own,
      dnsServers: readLocalFacts().dnsServers,
      identityProviders: [
        ...(parts.beforeEnrolment?.identityProviders ?? []),
        ...(forwarding?.identityProviders ?? []),
      ],
      allow: forwarding?.enforcement?.allow ?? [],
      past: current.fence === 'by-policy' && forwarding ? pastOf(forwarding) : [],
      portal: isPortalOpen
        ? { endpoints: portalEndpoints(parts.network()), leftMs: graces.leftMs(networkKey()) }
        : { endpoints: [], leftMs: 0 },
    };
  };

  let past: { of: ForwardingPolicy; ranges: string[] } | undefined;
  const pastOf = (of: ForwardingPolicy): string[] => {
    if (past?.of !== of) past = { of, ranges: rangesPast(of) };
    return past.ranges;
  };

  /** A fence of before a restart knows more names than an agent without its policy. */
  const isBetterLeft = () =>
    isStanding && putKey === '' && inputs.identity === 'enrolled' && inputs.forwarding === null;

  const applyFence = async (): Promise<void> => {
    // What the kernel refused it refuses again: asked as often as a table is renewed.
    if (fenceProblem !== null && performance.now() - triedAt < renewIntervalMs) return;
    if (current.fence === 'absent') {
      if (!isStanding) return;
      report(await fence.takeAway());
      if (fenceProblem === null) {
        isStanding = false;
        putKey = '';
        log.info({ state: current.state }, 'strict enforcement taken away');
      }
      return;
    }
    if (isBetterLeft()) return;
    const wishes = wishesNow();
    const names = namesOf(wishes);
    const isDue = performance.now() - refreshedAt >= refreshIntervalMs;
    // First shut, then ask: a name server that is slow to answer holds nothing open.
    if (isStanding && (isDue || names.some((name) => !book.isKnown(name)))) {
      refreshedAt = performance.now();
      await book.refresh(names);
    }
    const content = fenceContent(wishes, book);
    const key = keyOf(content);
    const age = performance.now() - putAt;
    if (isStanding && key === putKey && age < renewIntervalMs) return;
    if (isStanding && age >= renewIntervalMs) isStanding = await fence.isStanding();
    // Whoever cleared it meant it, unless something else than the table itself asks for it.
    if (!isStanding && putKey !== '' && decideEnforcement(factsNow()).fence === 'absent') return;
    report(await fence.put(content));
    if (fenceProblem !== null) return;
    if (!isStanding) log.warn({ state: current.state }, 'strict enforcement put up');
    isStanding = true;
    putKey = key;
    putAt = performance.now();
    if (refreshedAt === Number.NEGATIVE_INFINITY) await applyFence();
  };
  const report = (problem: string | undefined) => {
    triedAt = performance.now();
    if (problem !== undefined && problem !== fenceProblem) {
      log.error({ reason: problem }, 'strict enforcement is not in place');
    }
    fenceProblem = problem ?? null;
  };

  const isExcepted = ({ host, port }: Destination): boolean => {
    const { providers, hosts } = fenceContent(wishesNow(), book);
    const isAmong = (list: readonly { address: string }[]) =>
      list.some(({ address }) => normalHost(address) === normalHost(host));
    return isAmong(hosts) || ([80, 443].includes(port) && isAmong(providers));
  };

  let turn: Promise<void> = Promise.resolve();
  const review = (): Promise<void> => {
    const decided = judge();
    if (decided.state !== current.state) {
      since = now();
      log.info({ state: decided.state, reason: decided.cause }, decided.text);
    }
    current = decided;
    const isSettled = announced !== undefined || performance.now() - startedMs >= settleMs;
    if (announced !== current.state && isSettled) {
      announced = current.state;
      parts.onChange(current);
    }
    turn = turn
      .then(() => (isStopped ? undefined : applyFence()))
      .catch((error: unknown) => log.error({ err: error }, 'enforcement failed inside the agent'));
    return turn;
  };
  const timer = setInterval(() => void review(), reviewIntervalMs);

  return {
    update(changes) {
      Object.assign(inputs, changes);
      void review();
    },
    review,
    current: () => ({
      ...current,
      since,
      strict: current.fence !== 'absent',
      // Where nothing is wanted and nothing stands, an old failure is none.
      fenceProblem: current.fence === 'absent' && !isStanding ? null : fenceProblem,
    }),
    around: () => ({
      text: current.text,
      whenTunnelDown: current.whenTunnelDown,
      direct: current.direct,
      isPortalOpen: current.isPortalOpen,
      isExcepted,
      isPortal: ({ host, port }) =>
        portalEndpoints(parts.network()).some(
          (one) => one.port === port && normalHost(one.host) === normalHost(host),
        ),
    }),
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await turn;
    },
  };
};

const withReason = (enforcement: Enforcement, reason: string): Enforcement =>
  reason !== '' && /-(not-enrolled|expired|removed)$/.test(enforcement.state)
    ? { ...enforcement, cause: reason }
    : enforcement;

const graceMsOf = (
  { forwarding }: EnforcementInputs,
  before: StrictBeforeEnrolment | undefined,
): number =>
  1_000 *
  (forwarding?.enforcement?.captivePortalGraceSeconds ??
    before?.captivePortalGraceSeconds ??
    defaultGraceSeconds);

/** The gateway, which most portals are, and where we were sent. */
const portalEndpoints = ({ portal }: NetworkFinding): Destination[] => {
  const gateway = readDefaultRoute()?.gateway;
  const url = portal != null && URL.canParse(portal) ? new URL(portal) : undefined;
  const hosts = [gateway ?? undefined, url && normalHost(url.hostname)];
  const web = hosts.flatMap((host) =>
    host === undefined ? [] : [80, 443].map((port) => ({ host: host.replace(/%.*$/, ''), port })),
  );
  const named = url === undefined || url.port === '' ? [] : [Number(url.port)];
  return [...web, ...named.map((port) => ({ host: normalHost(url?.hostname ?? ''), port }))];
};

/** The content without how long its elements last. */
const keyOf = (content: Parameters<typeof describeStrictTable>[0]): string =>
  describeStrictTable(content).replace(/ timeout \d+s/g, '');
